"""What changed, who was told, and what is done about it."""

from collections.abc import Callable

import streamlit as st

from driftline.dashboard import markup, wording
from driftline.dashboard.chooser import Entry, beside, choose
from driftline.dashboard.evidence import example_links, signal_table
from driftline.dashboard.session import api, link, plain, refreshed, tried
from driftline.sdk import records as r

MAX_INCIDENTS = 100
STATES: dict[str, tuple[str, markup.Tone]] = {
    "open": ("▲ open", "bad"),
    "acknowledged": ("● acknowledged", "warn"),
    "resolved": ("✔ resolved", "good"),
}
DELIVERIES: dict[str, tuple[str, markup.Tone]] = {
    "pending": ("● trying", "warn"),
    "delivered": ("✔ delivered", "good"),
    "dead": ("✘ given up", "bad"),
}
SHOWN_WINDOWS = 3


def page() -> None:
    st.title("Incidents")
    found = api().incidents(limit=MAX_INCIDENTS)
    if not found:
        nothing()
        return
    entries = [
        Entry(
            i.id,
            f"{STATES[i.state][0]} · {wording.day(i.opened_at)}",
            headline(i),
        )
        for i in found
    ]
    left, right = beside()
    with left:
        chosen = choose("incident", wording.plural(len(found), "incident"), entries)
    with right:
        show(api().incident(chosen))


def nothing() -> None:
    st.html(
        markup.banner(
            "✔ No incident so far",
            "One opens when a window of traffic has drifted from the reference.",
            "good",
        )
    )
    st.caption(
        "Be told when it happens: `driftline webhooks create https://…` "
        "(Slack, PagerDuty or your own receiver; signed by the Standard Webhooks scheme)"
    )


def headline(i: r.Incident) -> str:
    """What changed, in a few names."""
    names = [lower(wording.name_of(signal.signal)) for signal in i.signals]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}" if names else i.title


def lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def show(i: r.Incident) -> None:
    st.subheader(plain(f"Changed: {headline(i)}"))
    state, tone = STATES[i.state]
    st.html(markup.banner(wording.titled(state), i.summary, tone))
    st.html(
        markup.facts(
            [
                ("Opened", wording.when(i.opened_at)),
                ("Updated", wording.when(i.updated_at)),
                ("Acknowledged by", i.acknowledged_by),
                ("Resolved", wording.when(i.resolved_at) if i.resolved_at else ""),
                ("Drifting windows", wording.count(len(i.window_ids))),
            ]
        )
    )
    act(i)
    links(i)
    st.subheader("What changed")
    signal_table(i.signals, verdicts=False)
    st.subheader("Traces that show it best")
    example_links(i.examples)
    told(i.id)


def act(i: r.Incident) -> None:
    """Acknowledge or resolve; needs a key that may."""
    if i.state == "resolved":
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.text_input("Your name", key="by", placeholder="who takes it", width=240)
        seen = st.button(
            "Acknowledge",
            icon=":material/visibility:",
            disabled=i.state == "acknowledged",
        )
        done = st.button("Resolve", icon=":material/check:")
    if seen:
        take(by, lambda: api().acknowledge(i.id, by))
    if done:
        take(by, lambda: api().resolve(i.id, by))


def take(by: str, action: Callable[[], object]) -> None:
    """Do it in somebody's name."""
    if not by:
        st.warning("Say who you are first: it is kept with the incident.")
    elif tried(action):
        st.rerun()


def links(i: r.Incident) -> None:
    with st.container(horizontal=True):
        if i.job_id:
            query, icon = link("job", i.job_id), ":material/model_training:"
            label = "The fine-tuning job it asks for"
            st.page_link("views/finetuning.py", label=label, icon=icon, query_params=query)
        for window in i.window_ids[-SHOWN_WINDOWS:]:
            query, icon = link("window", window), ":material/compare_arrows:"
            label = f"Window {window.rpartition('_')[2]}"
            st.page_link("views/drift.py", label=plain(label), icon=icon, query_params=query)


@refreshed
def told(incident_id: str) -> None:
    """Who heard of it; delivery goes on while the page is open."""
    found = api().incident(incident_id).deliveries
    st.subheader("Who was told")
    if not found:
        st.caption("Nobody: no webhook is set up. `driftline webhooks create https://…`")
        return
    heads = ["delivery", "what", "to", "attempts", "answer", "when"]
    st.html(markup.table(heads, [delivery(d) for d in found], "Webhook deliveries"))


def delivery(d: r.Delivery) -> list[markup.Column]:
    state, tone = DELIVERIES[d.state]
    answer = f"HTTP {d.last_status}" if d.last_status else d.last_error or "–"
    waits = d.state == "pending" and d.next_attempt_at
    moment = (
        f"next try {wording.when(d.next_attempt_at)}" if waits else wording.when(d.delivered_at)
    )
    return [
        markup.pill_cell(state, tone),
        d.type,
        markup.Cell(d.url, "code", sub=d.id),
        markup.Cell(wording.count(d.attempts), "number"),
        answer,
        moment,
    ]


page()
