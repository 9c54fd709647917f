"""The monitor, keys, webhooks, and whether the platform itself is well."""

import streamlit as st

from driftline.dashboard import wording
from driftline.dashboard.session import api, plain
from driftline.sdk import records as r
from driftline.sdk.errors import AuthError

SHOW = {
    "enabled": "watched",
    "reference_events": "reference (events)",
    "window_events": "window (events)",
}


def page() -> None:
    st.title("Settings")
    health()
    st.subheader("Monitor")
    monitor = r.encode(api().monitor())
    job = monitor.pop("job") or {}
    rows = [{"setting": SHOW.get(key, key), "value": str(value)} for key, value in monitor.items()]
    rows += [{"setting": f"job.{key}", "value": str(value)} for key, value in job.items()]
    st.dataframe(rows, hide_index=True, height="content", alt="Monitor settings")
    st.caption("Change it: `driftline monitor set --help`")
    webhooks()
    keys()


def health() -> None:
    ready = api().ready()
    (st.success if ready else st.error)(
        f"Collector {plain(api().url)} is {'ready' if ready else 'not ready'}",
        icon=":material/health_and_safety:",
    )


def webhooks() -> None:
    st.subheader("Webhooks")
    rows = [
        {
            "to": hook.url,
            "events": ", ".join(hook.events),
            "enabled": "yes" if hook.enabled else "no (the receiver said it is gone)",
            "since": wording.when(hook.created_at),
        }
        for hook in api().webhooks()
    ]
    if rows:
        st.dataframe(rows, hide_index=True, height="content", alt="Webhooks")
    else:
        st.caption("None: `driftline webhooks create https://…`")


def keys() -> None:
    """Keys without their secrets; only an admin key may list them."""
    st.subheader("API keys")
    try:
        found = api().keys()
    except AuthError:
        st.caption("This dashboard's key may not list keys.")
        return
    rows = [
        {
            "key": f"sk-dl-{key.id}-…{key.last4}",
            "scope": key.scope,
            "name": key.name,
            "made": wording.when(key.created_at),
            "revoked": wording.when(key.revoked_at),
        }
        for key in found
    ]
    st.dataframe(rows, hide_index=True, height="content", alt="API keys")


page()
