"""Charts of drift windows, as pure functions from records. Colour is never alone."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from driftline.sdk import records as r

from .theme import BLUE, GREEN, GREY, ORANGE, RED

SIDES = ["reference", "current"]
DECISIONS = ["stable", "drift", "not enough data"]
SIDE_COLOURS = alt.Scale(domain=SIDES, range=[BLUE, ORANGE])
TOP = alt.Legend(title=None, orient="top")
SMALLEST_P = 1e-6  # where the logarithmic axis ends
MAX_POINTS = 400


def windows_over_time(windows: Sequence[r.DriftWindow]) -> alt.LayerChart | alt.FacetChart:
    """Each tested window by the smallest adjusted p-value of its signals, against alpha."""
    rows = [
        {
            "window": w.index,
            "ends": w.end,
            "evidence": max(strongest(w) or 1.0, SMALLEST_P),
            "decision": w.result.decision.replace("_", " "),
        }
        for w in windows
    ]
    shapes = alt.Scale(domain=DECISIONS, range=["circle", "triangle-up", "square"])
    points = (
        alt.Chart(pd.DataFrame(rows))
        .mark_point(size=170, filled=True, opacity=1)
        .encode(
            alt.X("window:O", title="window", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            alt.Y(
                "evidence:Q",
                title="smallest adjusted p",
                scale=alt.Scale(type="log", reverse=True, domainMax=1),
                axis=alt.Axis(tickCount=4, format="~g", grid=False),
            ),
            alt.Color(
                "decision:N",
                scale=alt.Scale(domain=DECISIONS, range=[GREEN, RED, GREY]),
                legend=TOP,
            ),
            alt.Shape("decision:N", scale=shapes, legend=TOP),
            tooltip=[
                "window:O",
                "decision:N",
                alt.Tooltip("evidence:Q", title="smallest adjusted p", format=".2g"),
                alt.Tooltip("ends:N", title="ends (UTC)"),
            ],
        )
    )
    alpha = pd.DataFrame([{"alpha": windows[0].result.alpha}])
    rule = alt.Chart(alpha).mark_rule(strokeDash=[6, 4], color=GREY).encode(alt.Y("alpha:Q"))
    return alt.layer(rule, points).properties(height=200)


def strongest(window: r.DriftWindow) -> float | None:
    """The smallest adjusted p-value of a window's signals."""
    found = [s.adjusted_p_value for s in window.result.signals if s.adjusted_p_value is not None]
    return min(found, default=None)


def embedding_map(points: Sequence[r.MapPoint]) -> alt.Chart:
    """Reference and current events on two principal components."""
    frame = pd.DataFrame(
        [
            {"x": p.x, "y": p.y, "side": p.side, "event": p.event_id, "about": p.label}
            for p in points[:MAX_POINTS]
        ]
    )
    blank = alt.Axis(labels=False, ticks=False, grid=False, domain=False)
    shapes = alt.Scale(domain=SIDES, range=["circle", "triangle-up"])
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_point(filled=True, size=60, opacity=0.75)
        .encode(
            alt.X("x:Q", title="first principal component", axis=blank),
            alt.Y("y:Q", title="second principal component", axis=blank),
            alt.Color("side:N", scale=SIDE_COLOURS, legend=TOP),
            alt.Shape("side:N", scale=shapes, legend=TOP),
            tooltip=["side:N", "about:N", "event:N"],
        )
        .properties(height=380)
    )
    return chart


def distributions(
    reference: Sequence[float], current: Sequence[float], unit: str
) -> alt.LayerChart | alt.FacetChart:
    """Histograms of a score on both sides, each as shares of its own events."""
    frame = pd.DataFrame(
        [{"value": v, "side": "reference"} for v in reference]
        + [{"value": v, "side": "current"} for v in current]
    )
    binned = (
        alt.Chart(frame)
        .transform_bin(["low", "high"], "value", bin=alt.Bin(maxbins=24))
        .transform_joinaggregate(all="count()", groupby=["side"])
        .transform_calculate(share="1 / datum.all")
        .transform_aggregate(share="sum(share)", groupby=["low", "high", "side"])
    ).encode(
        alt.X("low:Q", bin="binned", title=unit or None, axis=alt.Axis(grid=False)),
        alt.Y("share:Q", title="share of events", stack=None, axis=alt.Axis(format=".0%")),
        alt.Color("side:N", scale=SIDE_COLOURS, legend=TOP),
        tooltip=["side:N", alt.Tooltip("share:Q", format=".1%"), "low:Q", "high:Q"],
    )
    dashes = alt.Scale(domain=SIDES, range=[[1, 0], [5, 3]])
    bars = binned.mark_bar(opacity=0.3, orient="vertical").encode(alt.X2("high:Q"))
    edges = binned.mark_line(interpolate="step-after", strokeWidth=2).encode(
        alt.StrokeDash("side:N", scale=dashes)
    )
    return alt.layer(bars, edges).properties(height=320)
