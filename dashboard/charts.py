"""Charts as pure functions from records, in Okabe-Ito colours.

Shape or dash always says the same as colour does.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from driftline.sdk import records as r

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
HEIGHT = 220
TIME = alt.X("time:T", title=None)


def events_over_time(series: Sequence[r.Bucket]) -> alt.Chart:
    """Events per bucket, the failed ones in another colour."""
    frame = pd.DataFrame(
        [{"time": b.time, "events": b.events - b.errors, "outcome": "ok"} for b in series]
        + [{"time": b.time, "events": b.errors, "outcome": "error"} for b in series]
    )
    colours = alt.Scale(domain=["ok", "error"], range=[BLUE, RED])
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            TIME,
            alt.Y("events:Q", title="events"),
            alt.Color("outcome:N", scale=colours, title=None),
            tooltip=["time:T", "outcome:N", "events:Q"],
        )
        .properties(height=HEIGHT)
    )
    return chart


def latency_over_time(series: Sequence[r.Bucket]) -> alt.Chart:
    """Median and 95th percentile latency per bucket."""
    frame = pd.DataFrame(
        [{"time": b.time, "ms": b.latency_p50_ms, "quantile": "p50"} for b in series]
        + [{"time": b.time, "ms": b.latency_p95_ms, "quantile": "p95"} for b in series]
    ).dropna()
    return _lines(frame, "ms", "latency (ms)", "quantile", ["p50", "p95"], [BLUE, ORANGE])


def score_over_time(series: r.ScoreSeries) -> alt.Chart:
    """One score's aggregate per bucket; empty buckets leave a gap."""
    frame = pd.DataFrame(
        [{"time": p.time, "value": p.value, "n": p.n} for p in series.points if p.value is not None]
    )
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_line(point=True, color=BLUE)
        .encode(
            TIME,
            alt.Y("value:Q", title=series.name, scale=alt.Scale(zero=False)),
            tooltip=["time:T", alt.Tooltip("value:Q", format=".4g"), "n:Q"],
        )
        .properties(height=HEIGHT)
    )
    return chart


def windows_over_time(windows: Sequence[r.DriftWindow]) -> alt.LayerChart:
    """Each tested window by the smallest adjusted p-value of its signals, against alpha."""
    rows = [
        {
            "window": w.index,
            "evidence": strongest(w),
            "decision": w.result.decision.replace("_", " "),
            "summary": w.result.summary,
        }
        for w in windows
    ]
    frame = pd.DataFrame([row for row in rows if row["evidence"] is not None])
    decisions = ["stable", "drift", "not enough data"]
    points = (
        alt.Chart(frame)
        .mark_point(size=170, filled=True, opacity=1)
        .encode(
            alt.X("window:O", title="window", axis=alt.Axis(labelAngle=0)),
            alt.Y(
                "evidence:Q",
                title="smallest adjusted p-value",
                scale=alt.Scale(type="log", reverse=True, domainMax=1),
            ),
            alt.Color(
                "decision:N",
                scale=alt.Scale(domain=decisions, range=[GREEN, RED, GREY]),
                title="decision",
            ),
            alt.Shape(
                "decision:N",
                scale=alt.Scale(domain=decisions, range=["circle", "triangle-up", "square"]),
                title="decision",
            ),
            tooltip=[
                "window:O",
                "decision:N",
                alt.Tooltip("evidence:Q", format=".2g"),
                "summary:N",
            ],
        )
    )
    alpha = windows[0].result.alpha if windows else 0.01
    rule = (
        alt.Chart(pd.DataFrame([{"alpha": alpha}]))
        .mark_rule(strokeDash=[6, 4], color=GREY)
        .encode(alt.Y("alpha:Q"))
    )
    chart: alt.LayerChart = alt.LayerChart(layer=[points, rule]).properties(height=HEIGHT)
    return chart


def strongest(window: r.DriftWindow) -> float | None:
    """The smallest adjusted p-value of a window's signals."""
    found = [s.adjusted_p_value for s in window.result.signals if s.adjusted_p_value is not None]
    return min(found, default=None)


def embedding_map(points: Sequence[r.MapPoint]) -> alt.Chart:
    """Reference and current events on two principal components."""
    frame = pd.DataFrame(
        [
            {"x": p.x, "y": p.y, "side": p.side, "event": p.event_id, "label": p.label}
            for p in points
        ]
    )
    sides = ["reference", "current"]
    blank = alt.Axis(labels=False, ticks=False, grid=False)
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=55, opacity=0.75)
        .encode(
            alt.X("x:Q", title="first principal component", axis=blank),
            alt.Y("y:Q", title="second principal component", axis=blank),
            alt.Color("side:N", scale=alt.Scale(domain=sides, range=[BLUE, ORANGE]), title=None),
            alt.Shape(
                "side:N",
                scale=alt.Scale(domain=sides, range=["circle", "triangle-up"]),
                title=None,
            ),
            tooltip=["side:N", "event:N", "label:N"],
        )
        .properties(height=420)
    )
    return chart


def effects(signals: Sequence[r.SignalResult]) -> alt.LayerChart:
    """Each signal's effect in units of its floor: right of 1 is large enough to matter."""
    rows = [
        {
            "signal": s.signal,
            "times the floor": s.effect / s.effect_floor,
            "verdict": "drifted" if s.drifted else "not drifted",
            "words": s.words,
        }
        for s in signals
        if s.effect is not None and s.effect_floor > 0
    ]
    bars = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar()
        .encode(
            alt.X("times the floor:Q", title="effect ÷ floor (1 = smallest that matters)"),
            alt.Y("signal:N", sort="-x", title=None, axis=alt.Axis(labelLimit=220)),
            alt.Color(
                "verdict:N",
                scale=alt.Scale(domain=["drifted", "not drifted"], range=[RED, GREY]),
                title=None,
            ),
            tooltip=["signal:N", alt.Tooltip("times the floor:Q", format=".2f"), "words:N"],
        )
    )
    rule = (
        alt.Chart(pd.DataFrame([{"floor": 1.0}]))
        .mark_rule(strokeDash=[6, 4])
        .encode(alt.X("floor:Q"))
    )
    height = 28 * max(len(rows), 3) + 40
    chart: alt.LayerChart = alt.LayerChart(layer=[bars, rule]).properties(height=height)
    return chart


def losses(points: Sequence[r.LossPoint], phase: str) -> alt.Chart:
    """Training and validation loss by step."""
    frame = pd.DataFrame(
        [{"step": p.step, "loss": p.loss, "split": p.split} for p in points if p.phase == phase]
    )
    splits = ["train", "validation"]
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_line(point=True)
        .encode(
            alt.X("step:Q", title="step"),
            alt.Y("loss:Q", title="loss (nats a token)", scale=alt.Scale(zero=False)),
            alt.Color("split:N", scale=alt.Scale(domain=splits, range=[BLUE, ORANGE]), title=None),
            alt.StrokeDash(
                "split:N", scale=alt.Scale(domain=splits, range=[[1, 0], [6, 4]]), title=None
            ),
            tooltip=["step:Q", "split:N", alt.Tooltip("loss:Q", format=".4f")],
        )
        .properties(height=HEIGHT + 40)
    )
    return chart


def _lines(
    frame: pd.DataFrame, value: str, title: str, group: str, order: list[str], colours: list[str]
) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_line(point=True)
        .encode(
            TIME,
            alt.Y(f"{value}:Q", title=title),
            alt.Color(f"{group}:N", scale=alt.Scale(domain=order, range=colours), title=None),
            alt.StrokeDash(
                f"{group}:N", scale=alt.Scale(domain=order, range=[[1, 0], [6, 4]]), title=None
            ),
            tooltip=["time:T", f"{group}:N", alt.Tooltip(f"{value}:Q", format=",.0f")],
        )
        .properties(height=HEIGHT)
    )
    return chart
