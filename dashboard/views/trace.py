"""One trace: its spans, messages, the answer with suspicious sentences marked, context and every
score.
"""

import streamlit as st

from driftline.dashboard import wording
from driftline.dashboard.highlight import highlighted
from driftline.dashboard.session import api, param, plain
from driftline.sdk import records as r

SHOWN_SPANS = ("hallucination",)


def page() -> None:
    st.title("Trace")
    trace_id = param("trace") or trace_of_event(param("event"))
    if not trace_id:
        st.info("Open a trace from the list.", icon=":material/article:")
        st.page_link("views/traces.py", label="Go to the traces", icon=":material/search:")
        return
    trace = api().trace(trace_id)
    event = pick(trace)
    scores = [score for score in trace.scores if score.event_id == event.id]
    facts(event)
    conversation, numbers = st.columns([3, 2], gap="large")
    with conversation:
        messages(event, scores)
    with numbers:
        score_table(scores)
        details(event)


def trace_of_event(event_id: str) -> str:
    return api().event(event_id).trace_id if event_id else ""


def pick(trace: r.Trace) -> r.Event:
    """The span to show; a trace of one span needs no choice."""
    events = trace.events
    wanted = param("event")
    index = next((i for i, e in enumerate(events) if e.id == wanted), 0)
    if len(events) == 1:
        return events[0]
    depth = depths(events)
    st.caption(f"{len(events) + trace.more_events} spans")
    chosen = st.radio(
        "Span",
        range(len(events)),
        index=index,
        format_func=lambda i: plain(label(events[i], depth[events[i].span_id])),
    )
    return events[chosen]


def label(event: r.Event, depth: int) -> str:
    mark = "" if event.status == "ok" else " · error"
    took = wording.milliseconds(event.latency_ms)
    return f"{'   ' * depth}{event.kind} {event.name or event.model} · {took}{mark}"


def depths(events: list[r.Event]) -> dict[str, int]:
    """How deep each span lies below its trace's root."""
    parent = {event.span_id: event.parent_id for event in events}

    def depth(span: str, seen: frozenset[str] = frozenset()) -> int:
        above = parent.get(span, "")
        return 0 if above not in parent or above in seen else 1 + depth(above, seen | {span})

    return {span: depth(span) for span in parent}


def facts(event: r.Event) -> None:
    columns = st.columns([3, 1, 1, 1, 1])
    columns[0].metric("Model", event.model or "–")
    columns[1].metric("Latency", wording.milliseconds(event.latency_ms))
    tokens = event.usage.get("input", 0) + event.usage.get("output", 0)
    columns[2].metric("Tokens", wording.count(tokens))
    columns[3].metric("Cost", wording.dollars(event.cost))
    columns[4].metric("Status", event.status)
    if event.error:
        st.error(plain(event.error), icon=":material/notification_important:")


def messages(event: r.Event, scores: list[r.Score]) -> None:
    for message in event.input:
        st.caption(plain(message.role))
        st.code(message.content, language=None, wrap_lines=True)
    spans = [span for score in scores if score.name in SHOWN_SPANS for span in score.spans]
    st.caption(f"answer · {len(spans)} suspicious sentence{'' if len(spans) == 1 else 's'} marked")
    st.html(highlighted(event.output, spans))
    if event.context:
        st.caption(f"retrieved context · {len(event.context)} documents")
    for number, document in enumerate(event.context, 1):
        with st.expander(f"document {number} · {wording.count(len(document))} characters"):
            st.code(document, language=None, wrap_lines=True)
    for name, length in event.truncated.items():
        st.caption(plain(f"{name} was cut; it had {wording.count(length)} characters"))


def score_table(scores: list[r.Score]) -> None:
    st.subheader("Scores")
    if not scores:
        st.info("Not scored yet.", icon=":material/hourglass_top:")
        return
    rows = [
        {
            "score": score.name,
            "value": wording.number(score.value),
            "label": score.label,
            "explanation": score.explanation,
            "source": score.source,
            "model": score.model,
            "version": score.metric_version,
        }
        for score in sorted(scores, key=lambda score: score.name)
    ]
    st.dataframe(rows, hide_index=True, height="content", alt="Scores of this event")


def details(event: r.Event) -> None:
    st.subheader("Details")
    rows = {
        "event": event.id,
        "trace": event.trace_id,
        "started": wording.when(event.start_time),
        "environment": event.environment,
        "release": event.release,
        "variant": event.variant,
        "prompt": f"{event.prompt_name} {event.prompt_version}".strip(),
        "session": event.session_id,
        "user": event.user_id,
        "tags": ", ".join(event.tags),
        **event.metadata,
    }
    table = [{"field": key, "value": value} for key, value in rows.items() if value]
    st.dataframe(table, hide_index=True, height="content", alt="Details of this event")


page()
