"""Has the traffic changed? Windows against the reference, with the evidence and a map."""

import streamlit as st

from driftline.dashboard import drift_charts, markup, reads, wording
from driftline.dashboard.evidence import example_links, signal_table
from driftline.dashboard.session import (
    api,
    current_project,
    link,
    param,
    refreshed,
    set_param,
    tried,
)
from driftline.sdk import records as r

MAX_WINDOWS = 100
VERDICTS: dict[str, tuple[str, markup.Tone]] = {
    "drift": ("▲ Drift", "bad"),
    "stable": ("● Stable", "good"),
    "not_enough_data": ("■ Not enough data", "calm"),
}
EMBEDDINGS = ("prompt_embedding", "response_embedding", "prompt_novelty")


def page() -> None:
    st.title("Drift")
    where_it_stands()
    windows = api().drift_windows(limit=MAX_WINDOWS)
    if windows:
        history(windows)
        show(api().drift_window(chosen(windows)))
    else:
        st.caption("No window has been tested yet. Each one is shown here as it is.")
    pin()


@refreshed
def where_it_stands() -> None:
    """Learning, watching or off, in words and numbers."""
    s = api().drift_status()
    if s.state == "off":
        words = "This project is not watched. Turn it on: `driftline monitor set --enabled`"
        st.warning(words, icon=":material/pause_circle:")
    elif s.state == "learning":
        learning(s)
    else:
        watching(s)


def learning(s: r.DriftStatus) -> None:
    done = min(s.reference_count / max(s.reference_wanted, 1), 1.0)
    count = f"{wording.count(s.reference_count)} of {wording.count(s.reference_wanted)}"
    st.html(
        markup.banner(
            f"Learning what is normal: {count} scored events",
            f"Then every {wording.count(s.window_events)} events are tested against these.",
            "calm",
        )
    )
    st.progress(done)


def watching(s: r.DriftStatus) -> None:
    st.html(
        markup.facts(
            [
                ("State", "● watching"),
                ("Reference", f"{s.reference_name} ({wording.plural(s.reference_count, 'event')})"),
                (
                    "Learned from",
                    f"{wording.day(s.reference_start)} – {wording.day(s.reference_end)}",
                ),
                ("Windows tested", wording.count(s.windows)),
                ("Next window", f"{s.events_in_next_window} of {s.window_events} events"),
                ("False alarms", f"at most {100 * s.monitor.alpha:g} % of calm windows"),
            ]
        )
    )


def history(windows: list[r.DriftWindow]) -> None:
    st.subheader("Windows")
    st.altair_chart(
        drift_charts.windows_over_time(windows), alt="Tested windows by their strongest evidence"
    )
    st.caption("Higher is stronger evidence of a change; the dashed line is the alarm level.")


def chosen(windows: list[r.DriftWindow]) -> str:
    """The window to show: the one in the URL (also an old one), else the newest."""
    wanted = param("window")
    ids = [window.id for window in windows]
    ids += [wanted] if wanted and wanted not in ids else []
    names = {w.id: f"Window {w.index} · {VERDICTS[w.result.decision][0]}" for w in windows}
    picked = st.selectbox(
        "Show window",
        ids,
        index=ids.index(wanted) if wanted else 0,
        format_func=lambda window_id: names.get(window_id, window_id),
    )
    set_param("window", picked)
    return picked


def show(w: r.DriftWindow) -> None:
    title, tone = VERDICTS[w.result.decision]
    st.html(markup.banner(f"{title} in window {w.index}", w.result.summary, tone))
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.caption(
        f"{wording.plural(w.n_current, 'event')} from {wording.when(w.start)} to "
        f"{wording.when(w.end)}, against {wording.plural(w.n_reference, 'reference event')}"
    )
    if w.incident_id:
        query, icon = link("incident", w.incident_id), ":material/arrow_forward:"
        label = "Open the incident"
        right.page_link("views/incidents.py", label=label, icon=icon, query_params=query)
    st.subheader("Signals")
    signal_table(w.result.signals)
    picture, values = st.columns(2, gap="medium")
    with picture:
        embedding_map(w)
    with values:
        distribution(w)
    drifted = [signal for signal in w.result.signals if signal.drifted]
    if drifted:
        st.subheader("Traces that show it best")
        example_links([event for n in range(5) for s in drifted for event in s.examples[n : n + 1]])


def embedding_map(w: r.DriftWindow) -> None:
    st.subheader("Map of the prompts")
    if not w.result.map:
        st.caption(wording.NONE)
        return
    st.altair_chart(drift_charts.embedding_map(w.result.map), alt="Reference and current events")
    st.caption(
        "Two dimensions of many: distances on this map can mislead. The tests above use all of "
        "them; trust those."
    )


def distribution(w: r.DriftWindow) -> None:
    """How a score was spread before and now."""
    st.subheader("Before and now")
    reference = reads.window_values(current_project(), w.id, "reference")
    current = reads.window_values(current_project(), w.id, "current")
    tested = [s.signal for s in w.result.signals if s.signal not in EMBEDDINGS]
    names = [name for name in tested if name in reference and name in current]
    if not names:
        st.caption(wording.NONE)
        return
    name = st.selectbox("Score", names, format_func=wording.name_of, label_visibility="collapsed")
    picture = drift_charts.distributions(reference[name], current[name], wording.unit_of(name))
    st.altair_chart(picture, alt=f"{wording.name_of(name)}: reference and current events")
    st.caption(f"{len(reference[name])} reference and {len(current[name])} current events.")


def pin() -> None:
    """Choose another reference by hand."""
    with st.expander("Use another reference"), st.form("pin", border=False):
        st.caption(
            "The scored events of this time span become what is normal; windows begin after it."
        )
        left, middle, right = st.columns(3)
        start = left.text_input("From (UTC)", placeholder="2026-01-01T00:00:00Z")
        end = middle.text_input("To (UTC)", placeholder="2026-01-08T00:00:00Z")
        name = right.text_input("Name", placeholder="after release 2.1")
        pinned = st.form_submit_button("Use as the reference")
    if pinned and tried(lambda: api().pin_reference(start, end, name)):
        st.rerun()


page()
