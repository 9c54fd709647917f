"""The platform's health, projects, keys, webhooks and how the project is watched."""

import streamlit as st

from driftline.dashboard import markup, wording
from driftline.dashboard.session import api, current_project, refreshed, service
from driftline.sdk import records as r
from driftline.sdk.errors import AuthError

MONITOR_WORDS = {
    "enabled": "Watched for drift",
    "reference_events": "Events in the reference",
    "window_events": "Events in a window",
    "alpha": "False alarms among calm windows, at most",
    "permutations": "Permutations of a test",
    "resolve_after": "Calm windows until an incident resolves",
    "finetune": "What an incident does about fine-tuning",
}


def page() -> None:
    st.title("Settings")
    health()
    left, right = st.columns(2, gap="medium")
    with left:
        monitor()
        data()
    with right:
        projects()
        webhooks()
    keys()


@refreshed
def health() -> None:
    """Whether the collector is ready, and whether the workers keep up."""
    ready = api().ready()
    o = api().overview(buckets=1)
    st.html(
        markup.facts(
            [
                ("Collector", f"{'✔ ready' if ready else '✘ not ready'} at {api().url}"),
                ("Events, last 24 hours", wording.count(o.events)),
                ("Waiting for a worker", wording.count(o.pending)),
                ("Could not be scored", wording.count(o.failed_scoring)),
                ("Stored since the beginning", wording.count(o.accepted_total)),
            ]
        )
    )


def monitor() -> None:
    st.subheader("Watch")
    found = api().monitor()
    values = r.encode(found)
    rows: list[list[markup.Column]] = [
        [words, markup.Cell(setting(values[name]), "code")] for name, words in MONITOR_WORDS.items()
    ]
    st.html(markup.table(["setting", "value"], rows, "How the project is watched"))
    st.caption("Change it: `driftline monitor set --help`")


def data() -> None:
    """What is kept of the project's events, how long, and how much may come."""
    st.subheader("Data")
    found = api().settings()
    patterns = wording.plural(len(found.redact_patterns), "pattern of your own")
    facts = [
        ("Kept for", f"{found.retention_days} days" if found.retention_days else "ever"),
        ("Redacted before storage", ", ".join(found.redact) or "nothing"),
        ("and", patterns if found.redact_patterns else "no patterns of your own"),
        ("Events a second, at most", _limit(found.events_per_second)),
        ("Bytes a second, at most", _limit(found.bytes_per_second)),
        ("OpenTelemetry", "model calls and their parents" if found.llm_scope else "all spans"),
        ("Prices of your own", wording.count(len(found.prices))),
    ]
    rows: list[list[markup.Column]] = [[words, markup.Cell(value)] for words, value in facts]
    st.html(markup.table(["what", "how"], rows, "What happens to the data"))
    st.caption(
        "Change it: `driftline retention --help`, `PUT /v1/settings`. One person's data: "
        "`driftline delete --help`"
    )


def _limit(value: int) -> str:
    return wording.count(value) if value else "no limit"


def setting(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def projects() -> None:
    st.subheader("Projects")
    rows: list[list[markup.Column]] = [
        [
            markup.Cell(found.name, sub="shown here" if found.name == current_project() else ""),
            wording.when(found.created_at),
        ]
        for found in service().projects()
    ]
    st.html(markup.table(["project", "since"], rows, "Projects"))


def webhooks() -> None:
    st.subheader("Webhooks")
    rows: list[list[markup.Column]] = [
        [
            markup.pill_cell("✔ on", "good") if hook.enabled else markup.pill_cell("■ off", "calm"),
            markup.Cell(hook.url, "code", sub=", ".join(hook.events)),
            wording.when(hook.created_at),
        ]
        for hook in api().webhooks()
    ]
    if rows:
        st.html(markup.table(["state", "to", "since"], rows, "Webhooks"))
    else:
        st.caption("None. Be told of incidents: `driftline webhooks create https://…`")


def keys() -> None:
    """Keys without their secrets; only an admin key may list them."""
    st.subheader("API keys")
    try:
        found = api().keys()
    except AuthError:
        st.caption("This dashboard's key may not list keys; that takes one of scope admin.")
        return
    if not found:
        st.caption("None yet: `driftline keys create --scope ingest`")
        return
    rows: list[list[markup.Column]] = [
        [
            markup.pill_cell("■ revoked", "calm")
            if key.revoked_at
            else markup.pill_cell("✔ valid", "good"),
            markup.Cell(f"sk-dl-{key.id}-…{key.last4}", "code"),
            key.scope,
            key.name,
            wording.when(key.created_at),
        ]
        for key in found
    ]
    st.html(markup.table(["state", "key", "scope", "name", "since"], rows, "API keys"))


page()
