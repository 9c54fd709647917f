"""What changed, who was told, and what is done about it."""

import streamlit as st

from driftline.dashboard import wording
from driftline.dashboard.session import api, param, plain
from driftline.sdk import records as r

STATES = {"open": "▲ open", "acknowledged": "◆ acknowledged", "resolved": "● resolved"}
DELIVERY = {"pending": "○ pending", "delivered": "● delivered", "dead": "▲ given up"}


def page() -> None:
    st.title("Incidents")
    found = api().incidents(limit=200)
    if not found:
        st.success("No incident so far.", icon=":material/check_circle:")
        return
    show(api().incident(chosen(found)))


def chosen(found: list[r.Incident]) -> str:
    """The incident to show: the one in the URL, else the newest."""
    ids = [incident.id for incident in found]
    names = {i.id: f"{wording.when(i.opened_at)} · {STATES[i.state]} · {i.title}" for i in found}
    wanted = param("incident")
    picked = st.selectbox(
        f"{len(found)} incident{'' if len(found) == 1 else 's'}, newest first",
        ids,
        index=ids.index(wanted) if wanted in ids else 0,
        format_func=lambda incident_id: names[incident_id],
    )
    st.query_params["incident"] = picked
    return picked


def show(i: r.Incident) -> None:
    st.header(plain(i.title))
    st.markdown(f"{STATES[i.state]} · opened {wording.when(i.opened_at)}{ending(i)}")
    st.info(plain(i.summary), icon=":material/chat:")
    act(i)
    st.subheader("What changed")
    for signal in i.signals:
        st.markdown(f"- **{plain(signal.signal)}**: {plain(signal.words)}")
    links(i)
    deliveries(i)


def ending(i: r.Incident) -> str:
    if i.state == "resolved":
        return f" · resolved {wording.when(i.resolved_at)}"
    return f" · by {plain(i.acknowledged_by)}" if i.acknowledged_by else ""


def act(i: r.Incident) -> None:
    """Acknowledge or resolve; needs a key that may."""
    if i.state == "resolved":
        return
    name, acknowledge, resolve = st.columns([2, 1, 1], vertical_alignment="bottom")
    by = name.text_input("Your name", key="by", placeholder="who is looking at it")
    if acknowledge.button("Acknowledge", disabled=not by or i.state == "acknowledged"):
        api().acknowledge(i.id, by)
        st.rerun()
    if resolve.button("Resolve", disabled=not by):
        api().resolve(i.id, by)
        st.rerun()


def links(i: r.Incident) -> None:
    st.subheader("Where to look")
    columns = st.columns(4)
    targets = [
        ("views/drift.py", f"window {n}", ":material/explore:", {"window": window})
        for n, window in enumerate(i.window_ids[-4:], 1)
    ]
    if i.job_id:
        targets.append(
            ("views/finetuning.py", "fine-tuning job", ":material/build:", {"job": i.job_id})
        )
    targets += [
        ("views/trace.py", f"trace {wording.short(event)}", ":material/article:", {"event": event})
        for event in i.examples
    ]
    for index, (view, label, icon, query) in enumerate(targets):
        columns[index % 4].page_link(view, label=label, icon=icon, query_params=query)


def deliveries(i: r.Incident) -> None:
    st.subheader("Who was told")
    if not i.deliveries:
        st.caption("No webhook is set up: `driftline webhooks create https://…`")
        return
    rows = [
        {
            "state": DELIVERY[d.state],
            "what": d.type,
            "to": d.url,
            "attempts": d.attempts,
            "answer": f"HTTP {d.last_status}" if d.last_status else d.last_error or "–",
            "delivered": wording.when(d.delivered_at),
            "next attempt": wording.when(d.next_attempt_at),
            "webhook-id": d.id,
        }
        for d in i.deliveries
    ]
    st.dataframe(rows, hide_index=True, height="content", alt="Webhook deliveries")


page()
