"""What a fine-tuning job did: its data, its losses, its gate."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from driftline.sdk import records as r

from . import charts, markup, wording

MAX_EXAMPLES = 6
PHASES = {"train": "The run", "pilot": "The pilot, on a small subset"}


def show(job: r.Job) -> None:
    if job.gate:
        gate(job.gate)
    if job.losses:
        curves(job)
    if job.dataset:
        dataset(job.dataset)
    if job.gate and job.gate.examples:
        examples(job.gate.examples)
    with st.expander("Specification"):
        found: list[list[markup.Column]] = [
            [name, markup.Cell(str(value), "code")]
            for name, value in [("job", job.id), *r.encode(job.spec).items()]
            if value != ""
        ]
        st.html(markup.table(["setting", "value"], found, "Job specification"))


def gate(g: r.GateReport) -> None:
    st.subheader("Gate")
    heads = ["result", "check", "what was measured", "before", "after", "limit"]
    st.html(markup.table(heads, [check(c) for c in g.checks], "Checks of the gate"))


def check(c: r.GateCheck) -> list[markup.Column]:
    tone: markup.Tone = "good" if c.passed else "bad" if c.hard else "warn"
    numbers = [wording.number(v, none="–") for v in (c.baseline, c.value, c.threshold)]
    return [
        markup.pill_cell("✔ passed" if c.passed else "✘ failed", tone),
        markup.Cell(c.name.replace("_", " "), sub="decides" if c.hard else "for information"),
        c.words,
        *(markup.Cell(number, "number") for number in numbers),
    ]


def curves(job: r.Job) -> None:
    st.subheader("Loss")
    phases = [phase for phase in PHASES if any(p.phase == phase for p in job.losses)]
    columns = st.columns([2, 1] if len(phases) == 2 else 1, gap="medium")
    for column, phase in zip(columns, phases, strict=True):
        column.caption(PHASES[phase])
        column.altair_chart(charts.losses(job.losses, phase), alt=f"Loss curves, {PHASES[phase]}")


def dataset(d: r.DatasetReport) -> None:
    st.subheader("Dataset")
    st.html(
        markup.facts(
            [
                ("Events considered", wording.count(d.considered)),
                ("Training rows", wording.count(d.train)),
                ("Validation rows", wording.count(d.validation)),
                ("Test rows, held out", wording.count(d.test)),
                ("sha256", d.sha256[:12]),
            ]
        )
    )
    dropped = sorted(((n, reason) for reason, n in d.dropped.items() if n), reverse=True)
    rows: list[list[markup.Column]] = [
        [reason.replace("_", " "), markup.Cell(wording.count(n), "number", bar=n / d.considered)]
        for n, reason in dropped
        if d.considered
    ]
    if rows:
        left, _ = st.columns([1, 1])
        left.html(markup.table(["left out because", "events"], rows, "Events left out, by reason"))


def examples(found: Sequence[r.GateExample]) -> None:
    st.subheader("Before and after")
    rows: list[list[markup.Column]] = [
        [e.prompt, e.before or "(empty)", e.after or "(empty)"] for e in found[:MAX_EXAMPLES]
    ]
    heads = ["prompt", "the base model said", "the tuned model says"]
    st.html(markup.table(heads, rows, "Answers before and after"))
