"""Fine-tuning jobs: data, curves, the gate and its verdict."""

import streamlit as st

from driftline.dashboard import charts, wording
from driftline.dashboard.session import api, param, plain
from driftline.sdk import records as r

STATES = {
    "proposed": "○ proposed",
    "queued": "○ queued",
    "preparing_data": "◉ preparing data",
    "pilot": "◉ pilot",
    "training": "◉ training",
    "evaluating": "◉ evaluating",
    "promoted": "● promote",
    "rejected": "▲ reject",
    "failed": "▲ failed",
    "cancelled": "□ cancelled",
}
WAY = ("queued", "preparing_data", "pilot", "training", "evaluating")
ENDS = ("promoted", "rejected", "failed", "cancelled")
REFRESH_SECONDS = 10


def page() -> None:
    st.title("Fine-tuning")
    jobs = api().jobs(limit=200)
    if not jobs:
        st.info(
            "No job yet. An incident proposes one when the monitor says so: "
            "`driftline monitor set --finetune propose`",
            icon=":material/build:",
        )
    else:
        job_id = chosen(jobs)
        job = api().job(job_id)
        if job.state in ENDS:
            show(job)
        else:
            live(job_id)
    registry()


def chosen(jobs: list[r.Job]) -> str:
    """The job to show: the one in the URL, else the newest."""
    ids = [job.id for job in jobs]
    names = {j.id: f"{wording.when(j.created_at)} · {STATES[j.state]}" for j in jobs}
    wanted = param("job")
    picked = st.selectbox(
        f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}, newest first",
        ids,
        index=ids.index(wanted) if wanted in ids else 0,
        format_func=lambda job_id: names[job_id],
    )
    st.query_params["job"] = picked
    return picked


@st.fragment(run_every=REFRESH_SECONDS)
def live(job_id: str) -> None:
    """A running job, refreshed by itself."""
    job = api().job(job_id)
    show(job)
    if job.state in ENDS:
        st.rerun()


def show(job: r.Job) -> None:
    verdict(job)
    progress(job)
    act(job)
    if job.dataset:
        dataset(job.dataset)
    if job.losses:
        curves(job)
    if job.gate:
        gate(job.gate)
    with st.expander("Specification and lineage"):
        rows = [{"field": key, "value": str(value)} for key, value in r.encode(job.spec).items()]
        st.dataframe(rows, hide_index=True, height="content", alt="Job specification")
    if job.incident_id:
        link = {"incident": job.incident_id}
        label = "The incident that asked for it"
        st.page_link(
            "views/incidents.py",
            label=label,
            icon=":material/notification_important:",
            query_params=link,
        )


def verdict(job: r.Job) -> None:
    """The end, prominently."""
    message = plain(job.message or "")
    if job.state == "promoted":
        st.success(f"**Verdict: promote.** {message}", icon=":material/check_circle:")
    elif job.state == "rejected":
        st.error(f"**Verdict: reject.** {message}", icon=":material/cancel:")
    elif job.state == "failed":
        st.error(f"**Failed.** {plain(job.error)}", icon=":material/error:")
    else:
        st.info(f"**{STATES[job.state]}** {message}")


def progress(job: r.Job) -> None:
    """Where on its way the job is."""
    reached = len(WAY) if job.state in ENDS else WAY.index(job.state) if job.state in WAY else -1
    marks = [
        f"{'●' if index < reached else '◉' if index == reached else '○'} {name.replace('_', ' ')}"
        for index, name in enumerate(WAY)
    ]
    st.caption("  →  ".join([*marks, STATES[job.state] if job.state in ENDS else "○ verdict"]))


def act(job: r.Job) -> None:
    if job.state in ENDS:
        return
    approve, cancel, _ = st.columns([1, 1, 4])
    if job.state == "proposed" and approve.button("Approve", type="primary"):
        api().approve_job(job.id)
        st.rerun()
    if cancel.button("Cancel"):
        api().cancel_job(job.id)
        st.rerun()


def dataset(d: r.DatasetReport) -> None:
    st.subheader("Dataset")
    columns = st.columns(4)
    columns[0].metric("Considered", wording.count(d.considered), border=True)
    columns[1].metric("Train", wording.count(d.train), border=True)
    columns[2].metric("Validation", wording.count(d.validation), border=True)
    columns[3].metric("Test (held out)", wording.count(d.test), border=True)
    rows = [
        {"left out because": reason.replace("_", " "), "rows": n}
        for reason, n in sorted(d.dropped.items(), key=lambda item: -item[1])
        if n
    ]
    if rows:
        st.dataframe(rows, hide_index=True, height="content", alt="Rows left out, by reason")


def curves(job: r.Job) -> None:
    st.subheader("Loss")
    columns = st.columns(2)
    for column, phase in zip(columns, ("train", "pilot"), strict=True):
        if any(point.phase == phase for point in job.losses):
            with column:
                st.caption("the run" if phase == "train" else "the pilot on a small subset")
                st.altair_chart(charts.losses(job.losses, phase), alt=f"Loss curves, {phase}")


def gate(g: r.GateReport) -> None:
    st.subheader("Gate")
    rows = [
        {
            "": "● passed" if check.passed else "▲ failed",
            "check": check.name.replace("_", " "),
            "decides": "yes" if check.hard else "no, shown only",
            "in words": check.words,
            "before": wording.number(check.baseline),
            "after": wording.number(check.value),
            "threshold": wording.number(check.threshold),
        }
        for check in g.checks
    ]
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={"in words": st.column_config.TextColumn("in words", width="large")},
        alt="Checks of the gate",
    )
    if not g.examples:
        return
    st.subheader("Everyday prompts, before and after")
    for example in g.examples[:6]:
        st.caption(plain(example.prompt))
        before, after = st.columns(2)
        before.code(example.before or "(empty)", language=None, wrap_lines=True)
        after.code(example.after or "(empty)", language=None, wrap_lines=True)


def registry() -> None:
    st.subheader("Registry")
    models = api().models()
    if not models:
        st.caption("Nothing registered yet.")
        return
    rows = [
        {
            "verdict": "● promote" if m.verdict == "promote" else "▲ reject",
            "name": m.name,
            "version": m.version,
            "base": m.base,
            "adapter sha256": m.sha256[:12],
            "made": wording.when(m.created_at),
            "where": m.uri,
        }
        for m in models
    ]
    st.dataframe(rows, hide_index=True, height="content", alt="Registered models")
    with st.expander("Manifest of the newest"):
        st.code(models[0].manifest, language="json", wrap_lines=True)


page()
