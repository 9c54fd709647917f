"""Who computes the metrics, how they keep up, and which events they could not score."""

import streamlit as st

from driftline.dashboard import markup, wording
from driftline.dashboard.session import api, heading, link, plain, refreshed, tried
from driftline.sdk import records as r

SHOWN = 50
REASON_CHARACTERS = 300
HEADS = ["worker", "state", "busy", "lag", "tokens/s", "events/s", "scored", "failed", "$ / 1,000"]
TONES: dict[str, markup.Tone] = {"working": "good", "idle": "calm", "silent": "bad"}


def page() -> None:
    start, end = heading("Workers")
    fleet()
    quarantine(start, end)


@refreshed
def fleet() -> None:
    """The workers of the last day; what one says is of its last minute, counts since it began."""
    found = api().workers()
    if not found:
        st.info("No worker reported within a day. Start one: `driftline worker`")
        return
    total([w for w in found if not w.silent and w.report.state != "stopped"])
    st.html(markup.table(HEADS, [row(worker) for worker in found], "Metric workers"))
    for words in dict.fromkeys(words for worker in found for words in worker.report.left_out):
        st.warning(plain(f"Metrics left out: {words}"), icon=":material/extension_off:")
    st.caption(
        "Busy, tokens/s and events/s are of the last minute; tokens by the second of work. The "
        "cost is known of workers that were started with `--cost-per-hour`."
    )


def total(at_work: list[r.WorkerStatus]) -> None:
    reports = [worker.report for worker in at_work]
    lag = max((report.lag_seconds for report in reports), default=0.0)
    busy = sum(report.busy_share for report in reports)
    events = sum(report.events_per_second for report in reports)
    columns = st.columns(4)
    columns[0].metric("Workers", wording.count(len(reports)), border=True)
    columns[1].metric("Busy", wording.share(busy, len(reports)), border=True)
    columns[2].metric("Lag", wording.milliseconds(1000 * lag), border=True)
    columns[3].metric("Events a second", wording.number(events), border=True)


def row(worker: r.WorkerStatus) -> list[markup.Column]:
    report = worker.report
    state = "silent" if worker.silent else report.state
    cost = report.cost_per_1000_events
    return [
        markup.Cell(report.name, sub=report.device),
        markup.Cell(
            state, tone=TONES.get(state, "calm"), sub=f"seen {wording.when(worker.seen_at)}"
        ),
        markup.Cell(wording.share(report.busy_share, 1.0), "number", bar=report.busy_share),
        markup.Cell(wording.milliseconds(1000 * report.lag_seconds), "number"),
        markup.Cell(wording.count(round(report.tokens_per_second)), "number"),
        markup.Cell(wording.number(report.events_per_second), "number"),
        markup.Cell(
            wording.count(report.events_scored),
            "number",
            sub=f"{wording.count(report.events_reused)} as copies" if report.events_reused else "",
        ),
        markup.Cell(wording.count(report.events_failed), "number"),
        markup.Cell(wording.number(cost, none="no price"), "number"),
    ]


def quarantine(start: str, end: str) -> None:
    """Events that failed three times, each alone; their traces, and a way back."""
    st.subheader("Quarantine")
    found = api().quarantine(start=start, end=end, limit=SHOWN)
    if not found:
        st.caption("Every event of this time range could be scored, or still waits for its turn.")
        return
    shown = wording.plural(len(found), "event") if len(found) < SHOWN else f"The last {SHOWN}"
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.caption(f"{shown} that no worker could score. Mend the cause, then try them again.")
    if right.button("Try all again", icon=":material/replay:", key="retry-all"):
        again([event.event_id for event in found])
    for event in found:
        one(event)


def one(event: r.Quarantined) -> None:
    words, trace, retry = st.columns([6, 1, 1], vertical_alignment="center")
    reason = wording.one_line(event.reason, REASON_CHARACTERS)
    named = " · ".join(part for part in (event.name, event.model) if part)
    words.html(markup.banner(f"✘ {named or event.event_id}", reason, "bad"))
    trace.page_link(
        "views/trace.py",
        label="Trace",
        icon=":material/article:",
        query_params=link("trace", event.trace_id),
    )
    if retry.button("Retry", key=f"retry-{event.event_id}"):
        again([event.event_id])


def again(ids: list[str]) -> None:
    if tried(lambda: api().retry_quarantined(ids)):
        st.rerun()


page()
