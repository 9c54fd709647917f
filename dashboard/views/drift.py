"""Has the traffic changed? Windows against the reference, with the evidence and a map."""

import streamlit as st

from driftline.dashboard import charts, wording
from driftline.dashboard.session import api, param, plain
from driftline.sdk import records as r

VERDICTS = {
    "drift": ("▲ drift", st.error),
    "stable": ("● stable", st.success),
    "not_enough_data": ("○ not enough data", st.info),
}


def page() -> None:
    st.title("Drift")
    status = api().drift_status()
    where_it_stands(status)
    windows = api().drift_windows(limit=100)
    if windows:
        history(windows)
        show(api().drift_window(chosen(windows)))
    pin(status)


def where_it_stands(s: r.DriftStatus) -> None:
    """Learning, watching or off, in words and numbers."""
    if s.state == "off":
        st.warning(
            "This project is not watched. Turn it on: `driftline monitor set --enabled`",
            icon=":material/pause_circle:",
        )
        return
    if s.state == "learning":
        done = min(s.reference_count / max(s.reference_wanted, 1), 1.0)
        words = f"Learning the reference: {s.reference_count} of {s.reference_wanted} scored events"
        st.progress(done, text=words)
        return
    columns = st.columns(4)
    columns[0].metric(
        "Reference", f"{s.reference_count} events", border=True, help=s.reference_name
    )
    columns[1].metric("Windows tested", s.windows, border=True)
    columns[2].metric("Next window", f"{s.events_in_next_window} / {s.window_events}", border=True)
    columns[3].metric(
        "False alarms a window",
        f"≤ {100 * s.monitor.alpha:g} %",
        border=True,
        help="The chance that a window without any change is called drift (family-wise over all "
        "signals, Holm). Over many windows alarms add up: expect alpha × windows of them.",
    )


def history(windows: list[r.DriftWindow]) -> None:
    st.subheader("Windows")
    st.altair_chart(charts.windows_over_time(windows), alt="Tested windows by strongest evidence")
    st.caption(
        "Higher is stronger evidence; the dashed line is the alarm level before the effect floor."
    )


def chosen(windows: list[r.DriftWindow]) -> str:
    """The window to show: the one in the URL, else the newest."""
    ids = [window.id for window in windows]
    wanted = param("window")
    names = {w.id: f"window {w.index} · {VERDICTS[w.result.decision][0]}" for w in windows}
    picked = st.selectbox(
        "Window",
        ids,
        index=ids.index(wanted) if wanted in ids else 0,
        format_func=lambda window_id: names[window_id],
    )
    st.query_params["window"] = picked
    return picked


def show(w: r.DriftWindow) -> None:
    name, box = VERDICTS[w.result.decision]
    box(f"**{name}** · {plain(w.result.summary)}")
    st.caption(
        f"{w.n_current} events, {wording.when(w.start)} to {wording.when(w.end)}, against "
        f"{w.n_reference} reference events ({plain(w.reference)})"
    )
    if w.incident_id:
        link = {"incident": w.incident_id}
        st.page_link(
            "views/incidents.py",
            label="Open the incident",
            icon=":material/notification_important:",
            query_params=link,
        )
    picture, evidence = st.columns([1, 1], gap="large")
    with picture:
        st.subheader("Embedding map")
        if w.result.map:
            st.altair_chart(charts.embedding_map(w.result.map), alt="Reference and current events")
            st.caption(
                "Two of 384 dimensions: distances on the map mislead. The tests beside it use all."
            )
        else:
            st.caption(wording.NONE)
    with evidence:
        st.subheader("Effects")
        st.altair_chart(
            charts.effects(w.result.signals), alt="Effect of each signal over its floor"
        )
    signals(w.result.signals)
    examples(w.result.signals)


def signals(found: list[r.SignalResult]) -> None:
    st.subheader("Signals")
    ranked = sorted(found, key=lambda s: (not s.drifted, s.adjusted_p_value or 1.0))
    rows = [
        {
            "": "▲ drifted" if s.drifted else "– not drifted",
            "signal": s.signal,
            "in words": s.words,
            "adjusted p": wording.p_value(s.adjusted_p_value),
            "effect": wording.number(s.effect),
            "floor": wording.number(s.effect_floor),
            "unit": s.effect_unit,
            "reference": wording.number(s.reference_summary),
            "current": wording.number(s.current_summary),
            "n": f"{s.n_reference} / {s.n_current}",
            "test": s.method,
        }
        for s in ranked
    ]
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={"in words": st.column_config.TextColumn("in words", width="large")},
        alt="Signals of this window",
    )


def examples(found: list[r.SignalResult]) -> None:
    shown = [(s.signal, event) for s in found if s.drifted for event in s.examples[:3]]
    if not shown:
        return
    st.subheader("Examples")
    columns = st.columns(4)
    for index, (signal, event) in enumerate(dict.fromkeys(shown)):
        columns[index % 4].page_link(
            "views/trace.py",
            label=f"{signal} {wording.short(event)}",
            icon=":material/article:",
            query_params={"event": event},
        )


def pin(status: r.DriftStatus) -> None:
    """Choose another reference by hand."""
    with st.expander("Use another reference"), st.form("pin", border=False):
        st.caption("Scored events of this time span become the reference (UTC).")
        start = st.text_input(
            "From", value=status.reference_start, placeholder="2026-01-01T00:00:00Z"
        )
        end = st.text_input("To", value=status.reference_end, placeholder="2026-01-08T00:00:00Z")
        name = st.text_input("Name", placeholder="after release 2.1")
        if st.form_submit_button("Pin this reference"):
            api().pin_reference(start, end, name)
            st.rerun()


page()
