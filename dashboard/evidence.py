"""The evidence of a drift window, shared by the drift and the incident page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from driftline.sdk import records as r

from . import markup, reads, wording
from .session import current_project, link, plain

MAX_EXAMPLES = 8
QUESTION_CHARACTERS = 110
NO_DRIFT = markup.pill_cell("● no drift", "good")
BAR_FLOORS = 4.0  # a bar is full at so many times the floor
HEADS = ["signal", "what was found", "effect", "adjusted p", "before → now"]


def signal_table(found: Sequence[r.SignalResult], *, verdicts: bool = True) -> None:
    """All tests, the drifted first, by their evidence; `verdicts` says which drifted."""
    ranked = sorted(found, key=_rank)
    heads = ["verdict", *HEADS, "n"] if verdicts else HEADS
    rows = [[_verdict(s), *_row(s), _sizes(s)] if verdicts else _row(s) for s in ranked]
    st.html(markup.table(heads, rows, "Signals of this window"))
    st.caption(
        "A signal has drifted when its p-value, corrected for testing several signals (Holm), is "
        "below alpha **and** its effect reaches the floor (the line across the bar)."
    )


def _rank(s: r.SignalResult) -> tuple[bool, float, float]:
    p = s.adjusted_p_value
    return not s.drifted, 1.0 if p is None else p, -floors(s)


def floors(s: r.SignalResult) -> float:
    """The effect in units of the smallest that matters; 0 when it could not be measured."""
    return s.effect / s.effect_floor if s.effect is not None and s.effect_floor > 0 else 0.0


def _row(s: r.SignalResult) -> list[markup.Column]:
    effect = f"{floors(s):.1f} × the floor" if s.effect is not None else "–"
    size = f"{wording.number(s.effect, none='–')} {s.effect_unit}; floor {s.effect_floor:g}"
    before, now = (wording.number(v, none="–") for v in (s.reference_summary, s.current_summary))
    return [
        markup.Cell(wording.name_of(s.signal), sub=s.signal),
        markup.Cell(s.words, "prose", sub=s.method),
        markup.Cell(effect, sub=size, bar=floors(s) / BAR_FLOORS, mark=1 / BAR_FLOORS),
        markup.Cell(wording.p_value(s.adjusted_p_value), "number"),
        markup.Cell(f"{before} → {now}", "number"),
    ]


def _verdict(s: r.SignalResult) -> markup.Cell:
    if s.p_value is None:
        return markup.pill_cell("■ not tested", "calm")
    return markup.pill_cell("▲ drifted", "bad") if s.drifted else NO_DRIFT


def _sizes(s: r.SignalResult) -> markup.Cell:
    return markup.Cell(f"{s.n_reference} / {s.n_current}", "number")


def example_links(event_ids: Sequence[str]) -> None:
    """Links to the traces that show a change best, by what was asked in them."""
    shown = tuple(dict.fromkeys(event_ids))[:MAX_EXAMPLES]
    if not shown:
        st.caption("No examples.")
        return
    asked = reads.questions(current_project(), shown)
    columns = st.columns(2)
    for index, event_id in enumerate(shown):
        text = wording.one_line(asked.get(event_id) or event_id, QUESTION_CHARACTERS)
        columns[index % 2].page_link(
            "views/trace.py",
            label=plain(text),
            icon=":material/article:",
            query_params=link("event", event_id),
        )
