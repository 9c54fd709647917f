"""Is it good? Traffic, quality and the platform's own accounting, at a glance."""

import streamlit as st

from driftline.dashboard import charts, wording
from driftline.dashboard.session import api, choose_range, plain
from driftline.sdk import records as r

BUCKETS = 60
QUALITY = ("hallucination", "response_perplexity", "response_bits_per_byte", "response_length")
FIRST_EVENT = """import driftline

driftline.init(url="{url}", api_key="sk-dl-...")   # driftline keys create --scope ingest
driftline.log(input="What is your return policy?", output="30 days.", model="my-model")"""


def page() -> None:
    st.title("Overview")
    start, end = choose_range()
    overview = api().overview(start=start, end=end, buckets=BUCKETS)
    if not overview.events:
        teach()
        return
    tiles(overview)
    backlog(overview)
    left, right = st.columns(2)
    with left:
        st.subheader("Events")
        st.altair_chart(charts.events_over_time(overview.series), alt="Events per time bucket")
    with right:
        st.subheader("Latency")
        st.altair_chart(charts.latency_over_time(overview.series), alt="Latency p50 and p95")
    quality(start, end)
    accounting(overview)


def teach() -> None:
    """What to do when nothing has arrived."""
    st.info("No events in this time range. Send the first one:", icon=":material/waving_hand:")
    st.code(FIRST_EVENT.format(url=api().url), language="python")


def tiles(o: r.Overview) -> None:
    counts = [float(bucket.events) for bucket in o.series]
    latencies = [b.latency_p95_ms for b in o.series if b.latency_p95_ms is not None]
    columns = st.columns(6)
    columns[0].metric(
        "Events",
        wording.count(o.events),
        border=True,
        height="stretch",
        chart_data=counts,
        chart_type="bar",
    )
    columns[1].metric(
        "Scored",
        wording.share(o.scored, o.events),
        border=True,
        height="stretch",
        delta=f"{wording.count(o.pending)} waiting" if o.pending else "all done",
        delta_color="off",
        delta_arrow="off",
    )
    columns[2].metric(
        "Errors",
        wording.share(o.errors, o.events),
        border=True,
        height="stretch",
        delta=f"{wording.count(o.errors)} of {wording.count(o.events)}",
        delta_color="off",
        delta_arrow="off",
    )
    columns[3].metric(
        "Latency p95",
        wording.milliseconds(o.latency_p95_ms),
        border=True,
        height="stretch",
        chart_data=latencies,
    )
    columns[4].metric(
        "Tokens",
        wording.count(o.input_tokens + o.output_tokens),
        border=True,
        height="stretch",
        delta=f"cost {wording.dollars(o.cost)}",
        delta_color="off",
        delta_arrow="off",
    )
    columns[5].metric(
        "Open incidents",
        o.open_incidents,
        border=True,
        height="stretch",
        delta="needs a look" if o.open_incidents else "all calm",
        delta_color="inverse" if o.open_incidents else "off",
        delta_arrow="off",
    )


def backlog(o: r.Overview) -> None:
    """Say so when what is shown is not complete."""
    if o.failed_scoring:
        st.warning(
            f"{wording.count(o.failed_scoring)} events could not be scored; their traces say why.",
            icon=":material/warning:",
        )
    if o.pending > max(50, o.events // 10):
        st.warning(
            f"{wording.count(o.pending)} events wait for a worker; quality numbers lag behind. "
            "More workers: `driftline worker`",
            icon=":material/hourglass_top:",
        )


def quality(start: str, end: str) -> None:
    """Scores over time; perplexities aggregate over tokens, not over rows."""
    st.subheader("Quality over time")
    names = api().score_names(start=start, end=end)
    preferred = [name for name in QUALITY if name in names]
    rest = [name for name in names if name not in preferred and name != "scored"]
    chosen = st.multiselect("Scores", preferred + rest, default=preferred[:2], key="scores")
    if not chosen:
        st.caption("Nothing is scored yet." if not names else "Choose a score.")
    columns = st.columns(2)
    for index, name in enumerate(chosen):
        series = api().score_series(name, start=start, end=end, buckets=BUCKETS)
        with columns[index % 2]:
            st.markdown(f"**{plain(name)}** · {plain(series.aggregate)}")
            if any(point.value is not None for point in series.points):
                st.altair_chart(charts.score_over_time(series), alt=f"{name} over time")
            else:
                st.caption(wording.NONE)


def accounting(o: r.Overview) -> None:
    """What was not stored, and why: nothing is lost in silence."""
    st.subheader("Ingestion accounting")
    st.caption(
        "Since the project began; every event is either stored, or counted here with a reason."
    )
    rows = [
        {"what": "stored", "reason": "", "events": o.accepted_total},
        {"what": "sent again, stored once", "reason": "duplicate id", "events": o.duplicates_total},
    ]
    rows += [
        {"what": "rejected by the collector", "reason": reason, "events": n}
        for reason, n in sorted(o.dropped_total.items())
    ]
    rows += [
        {"what": "lost by a client", "reason": reason, "events": n}
        for reason, n in sorted(o.lost_by_clients.items())
    ]
    st.dataframe(rows, hide_index=True, alt="Ingestion accounting")


page()
