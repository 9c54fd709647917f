"""The list of traces: filters in the URL, keyset pages, a click opens one. A filter on a score
lists the spans that have it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st

from driftline.dashboard import reads, wording
from driftline.dashboard.session import PROJECT_KEY, api, current_project, heading, rfc3339
from driftline.sdk import records as r

PAGE_ROWS = 50
PREVIEW = 160
FILTERS = {
    "environment": "Environment",
    "model": "Model",
    "session_id": "Session",
    "user_id": "User",
}
STATUSES = ["any", "ok", "error"]
NAMED_WITHIN = timedelta(days=1)  # of the end of the range: scores of a month take seconds to name
COLUMNS = {
    "question": st.column_config.TextColumn("question", width=300),
    "answer": st.column_config.TextColumn("answer", width=330),
    "hallucination": st.column_config.ProgressColumn(
        "hallucination risk", min_value=0.0, max_value=1.0, format="%.2f", width=130
    ),
    "latency": st.column_config.NumberColumn("latency (s)", format="%.2f"),
    "tokens": st.column_config.NumberColumn("tokens", format="localized"),
    "cost": st.column_config.NumberColumn("cost ($)", format="%.5f"),
}


@dataclass(frozen=True, slots=True)
class Score:
    """A filter on a score; None: no bound on that side."""

    name: str
    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the list: its rows, the part of the address that opens each, where the next is."""

    what: str
    rows: list[dict[str, object]]
    opens: list[dict[str, str]]
    next_cursor: str


def page() -> None:
    start, end = heading("Traces")
    filters = chosen_filters()
    score = chosen_score(end)
    keep_place((current_project(), start[:10], *filters.values(), repr(score)))
    found = spans(start, end, filters, score) if score else traces(start, end, filters)
    if not found.rows:
        st.info(nothing(filters, score), icon=":material/search_off:")
        turn_pages(found)
        return
    columns = dict(COLUMNS)
    if score:
        columns["value"] = st.column_config.NumberColumn(wording.name_of(score.name), format="%.4g")
    picked = st.dataframe(
        found.rows,
        hide_index=True,
        height=560,
        on_select="rerun",
        selection_mode="single-row",
        key=f"{found.what}s-{len(cursors())}",
        column_config=columns,
        alt=f"{found.what.capitalize()}s, newest first",
    )
    turn_pages(found)
    if rows := picked["selection"]["rows"]:
        query = {PROJECT_KEY: current_project(), **found.opens[rows[0]]}
        st.switch_page("views/trace.py", query_params=query)


def traces(start: str, end: str, filters: dict[str, str]) -> Found:
    found = api().traces(start=start, end=end, cursor=cursors()[-1], limit=PAGE_ROWS, **filters)
    opens = [{"trace": trace.trace_id} for trace in found.rows]
    return Found("trace", [row(trace) for trace in found.rows], opens, found.next_cursor)


def spans(start: str, end: str, filters: dict[str, str], score: Score) -> Found:
    """A score is one span's: the list is of the spans that match."""
    found = api().events(
        start=start,
        end=end,
        cursor=cursors()[-1],
        limit=PAGE_ROWS,
        environment=filters["environment"],
        model=filters["model"],
        session_id=filters["session_id"],
        user_id=filters["user_id"],
        status=filters["status"],
        score=score.name,
        score_min=score.least,
        score_max=score.most,
    )
    rows = [span_row(span, score.name) for span in found.rows]
    opens = [{"trace": span.trace_id, "event": span.id} for span in found.rows]
    return Found("span", rows, opens, found.next_cursor)


def nothing(filters: dict[str, str], score: Score | None) -> str:
    if score or any(filters.values()):
        what = "span" if score else "trace"
        return f"No {what} matches. Clear a filter, or choose a longer time range."
    return "No traces in this time range. Choose a longer one, or send an event (see Overview)."


def chosen_score(end: str) -> Score | None:
    """The filter on a score, in the URL too: any name, of those that came lately or typed."""
    since = rfc3339(datetime.fromisoformat(end) - NAMED_WITHIN)
    columns = st.columns(len(FILTERS) + 1)
    name = columns[0].selectbox(
        "Score",
        reads.score_names(current_project(), since, end),
        index=None,
        placeholder="any",
        accept_new_options=True,
        key="score",
        bind="query-params",
    )
    if not name:
        return None
    least, most = (
        column.number_input(
            label, value=None, placeholder="any", format="%g", key=key, bind="query-params"
        )
        for column, label, key in zip(
            columns[1:3], ("At least", "At most"), ("score_min", "score_max"), strict=True
        )
    )
    return Score(name, least, most)


def chosen_filters() -> dict[str, str]:
    """The filter bar; its values live in the URL. An exact value each, "" for any."""
    columns = st.columns(len(FILTERS) + 1)
    values = {
        name: column.text_input(label, placeholder="any", key=name, bind="query-params") or ""
        for column, (name, label) in zip(columns, FILTERS.items(), strict=False)
    }
    status = columns[-1].selectbox("Status", STATUSES, key="status", bind="query-params")
    return {**values, "status": "" if status == "any" else status}


def row(trace: r.TraceRow) -> dict[str, object]:
    return {
        "time (UTC)": wording.when(trace.start_time).removesuffix(" UTC"),
        "question": wording.one_line(trace.input_preview, PREVIEW),
        "answer": wording.one_line(trace.output_preview, PREVIEW),
        "hallucination": trace.scores.get("hallucination"),
        "status": "✘ error" if trace.errors else "ok",
        "latency": trace.latency_ms / 1000,
        "tokens": trace.input_tokens + trace.output_tokens,
        "cost": trace.cost,
        "spans": trace.spans,
        "name": trace.name,
        "environment": trace.environment,
        "user": trace.user_id,
        "session": trace.session_id,
    }


def span_row(span: r.EventRow, score: str) -> dict[str, object]:
    return {
        "time (UTC)": wording.when(span.start_time).removesuffix(" UTC"),
        "question": wording.one_line(span.input_preview, PREVIEW),
        "answer": wording.one_line(span.output_preview, PREVIEW),
        "value": span.scores.get(score),
        "status": "✘ error" if span.status == "error" else "ok",
        "latency": span.latency_ms / 1000,
        "tokens": span.input_tokens + span.output_tokens,
        "cost": span.cost,
        "kind": span.kind,
        "name": span.name,
        "environment": span.environment,
        "user": span.user_id,
        "session": span.session_id,
    }


# ------------------------------------------------------------------ pages


def cursors() -> list[str]:
    """Where each page that was turned to begins."""
    stack: list[str] = st.session_state.setdefault("trace_cursors", [""])
    return stack


def keep_place(question: tuple[str, ...]) -> None:
    """Another filter, range or project starts at the first page again."""
    if st.session_state.get("trace_question") != question:
        st.session_state["trace_question"] = question
        st.session_state["trace_cursors"] = [""]


def turn_pages(found: Found) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        newer, older = ":material/chevron_left:", ":material/chevron_right:"
        if st.button("Newer", icon=newer, disabled=len(cursors()) == 1):
            cursors().pop()
            st.rerun()
        if st.button("Older", icon=older, disabled=not found.next_cursor, icon_position="right"):
            cursors().append(found.next_cursor)
            st.rerun()
        of = f"{found.what}s, newest first"
        st.caption(f"Page {len(cursors())} of the {of}. Select a row to open its trace.")


page()
