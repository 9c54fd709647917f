"""Fine-tuning jobs: data, curves, the gate and its verdict."""

import streamlit as st

from driftline.dashboard import job_report, markup, wording
from driftline.dashboard.chooser import Entry, beside, choose
from driftline.dashboard.session import api, link, refreshed, tried
from driftline.sdk import records as r

MAX_JOBS = 100
STATES: dict[str, tuple[str, markup.Tone]] = {
    "proposed": ("● waits for approval", "warn"),
    "queued": ("● queued", "calm"),
    "preparing_data": ("● preparing data", "calm"),
    "pilot": ("● pilot", "calm"),
    "training": ("● training", "calm"),
    "evaluating": ("● evaluating", "calm"),
    "promoted": ("✔ promote", "good"),
    "rejected": ("✘ reject", "bad"),
    "failed": ("✘ failed", "bad"),
    "cancelled": ("■ cancelled", "calm"),
}
ENDS = ("promoted", "rejected", "failed", "cancelled")
WAY = ("queued", "preparing_data", "pilot", "training", "evaluating")


def page() -> None:
    st.title("Fine-tuning")
    jobs = api().jobs(limit=MAX_JOBS)
    if not jobs:
        nothing()
    else:
        entries = [
            Entry(j.id, f"{STATES[j.state][0]} · {wording.day(j.created_at)}", origin(j))
            for j in jobs
        ]
        left, right = beside()
        with left:
            chosen = choose("job", wording.plural(len(jobs), "job"), entries)
        with right:
            one_job(chosen)
    registry()


def nothing() -> None:
    st.html(
        markup.banner(
            "No job yet",
            "An incident asks for one. It trains on the traffic that passed the quality filter, "
            "and a gate decides whether the result may be promoted.",
            "calm",
        )
    )
    st.caption("What an incident does: `driftline monitor set --finetune propose|auto|off`")


def origin(job: r.Job) -> str:
    return "from an incident" if job.incident_id else "started by hand"


def one_job(job_id: str) -> None:
    """A finished job as it is; a running one redraws itself."""
    job = api().job(job_id)
    if job.state in ENDS:
        show(job)
    else:
        live(job_id)


@refreshed
def live(job_id: str) -> None:
    job = api().job(job_id)
    show(job)
    if job.state in ENDS:
        st.rerun()


def show(job: r.Job) -> None:
    verdict(job)
    end, tone = STATES[job.state] if job.state in ENDS else ("", "calm")
    names = [name.replace("_", " ") for name in WAY]
    st.html(markup.steps(names, reached(job), end, tone))
    act(job)
    if job.incident_id:
        query, icon = link("incident", job.incident_id), ":material/notifications:"
        label = "The incident that asked for it"
        st.page_link("views/incidents.py", label=label, icon=icon, query_params=query)
    job_report.show(job)


def verdict(job: r.Job) -> None:
    """How it stands, or how it ended, prominently."""
    state, tone = STATES[job.state]
    judged = job.state in ("promoted", "rejected")
    title = f"Verdict: {state}" if judged else wording.titled(state)
    words = job.gate.summary if job.gate else job.error or job.message or waits_for(job)
    st.html(markup.banner(title, words, tone))


def waits_for(job: r.Job) -> str:
    if job.state == "proposed":
        return "Nothing is trained before somebody approves it."
    if job.state == "queued":
        return "Waiting for an executor; start one with: driftline trainer"
    return ""


def reached(job: r.Job) -> int:
    """Which stage is under way: none yet (-1), or the first that an ended job has nothing of."""
    if job.state in WAY:
        return WAY.index(job.state)
    if job.state == "proposed":
        return -1
    phases = {point.phase for point in job.losses}
    signs = [bool(job.executor), job.dataset, "pilot" in phases, "train" in phases, job.gate]
    return next((n for n, sign in enumerate(signs) if not sign), len(WAY))


def act(job: r.Job) -> None:
    if job.state in ENDS:
        return
    with st.container(horizontal=True):
        waits = job.state == "proposed"
        approve = waits and st.button("Approve", type="primary", icon=":material/check:")
        cancel = st.button("Cancel", icon=":material/close:")
    if approve and tried(lambda: api().approve_job(job.id)):
        st.rerun()
    if cancel and tried(lambda: api().cancel_job(job.id)):
        st.rerun()


def registry() -> None:
    st.subheader("Registered models")
    models = api().models()
    if not models:
        st.caption("Nothing registered yet. A finished job registers its adapter with a manifest.")
        return
    heads = ["verdict", "model", "base", "made", "where"]
    st.html(markup.table(heads, [model(m) for m in models], "Registered models"))
    with st.expander(f"Manifest of the newest, version {models[0].version}"):
        st.code(models[0].manifest, language="json", wrap_lines=True)


def model(m: r.ModelVersion) -> list[markup.Column]:
    good = m.verdict == "promote"
    return [
        markup.pill_cell("✔ promote" if good else "✘ reject", "good" if good else "bad"),
        markup.Cell(f"{m.name} v{m.version}", sub=f"adapter {m.sha256[:12]}"),
        markup.Cell(m.base, sub=f"sha256 {m.base_sha256[:12]}"),
        wording.when(m.created_at),
        markup.Cell(m.uri, "code"),
    ]


page()
