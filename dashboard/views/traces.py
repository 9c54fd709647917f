"""The list of traces: filters in the URL, keyset pages, a click opens one."""

import streamlit as st

from driftline.dashboard import wording
from driftline.dashboard.session import PROJECT_KEY, api, current_project, heading
from driftline.sdk import records as r

PAGE_ROWS = 50
PREVIEW = 160
FILTERS = {
    "environment": "Environment",
    "model": "Model",
    "session_id": "Session",
    "user_id": "User",
}
STATUSES = ["any", "ok", "error"]
COLUMNS = {
    "question": st.column_config.TextColumn("question", width=300),
    "answer": st.column_config.TextColumn("answer", width=330),
    "hallucination": st.column_config.ProgressColumn(
        "hallucination risk", min_value=0.0, max_value=1.0, format="%.2f", width=130
    ),
    "latency": st.column_config.NumberColumn("latency (s)", format="%.2f"),
    "tokens": st.column_config.NumberColumn("tokens", format="localized"),
    "cost": st.column_config.NumberColumn("cost ($)", format="%.5f"),
}


def page() -> None:
    start, end = heading("Traces")
    filters = chosen_filters()
    keep_place((current_project(), start[:10], *filters.values()))
    found = api().traces(start=start, end=end, cursor=cursors()[-1], limit=PAGE_ROWS, **filters)
    if not found.rows:
        st.info(nothing(filters), icon=":material/search_off:")
        turn_pages("")
        return
    picked = st.dataframe(
        [row(trace) for trace in found.rows],
        hide_index=True,
        height=560,
        on_select="rerun",
        selection_mode="single-row",
        key=f"traces-{len(cursors())}",
        column_config=COLUMNS,
        alt="Traces, newest first",
    )
    turn_pages(found.next_cursor)
    if rows := picked["selection"]["rows"]:
        query = {PROJECT_KEY: current_project(), "trace": found.rows[rows[0]].trace_id}
        st.switch_page("views/trace.py", query_params=query)


def nothing(filters: dict[str, str]) -> str:
    if any(filters.values()):
        return "No trace matches. Clear a filter, or choose a longer time range."
    return "No traces in this time range. Choose a longer one, or send an event (see Overview)."


def chosen_filters() -> dict[str, str]:
    """The filter bar; its values live in the URL. An exact value each, "" for any."""
    columns = st.columns(len(FILTERS) + 1)
    values = {
        name: column.text_input(label, placeholder="any", key=name, bind="query-params") or ""
        for column, (name, label) in zip(columns, FILTERS.items(), strict=False)
    }
    status = columns[-1].selectbox("Status", STATUSES, key="status", bind="query-params")
    return {**values, "status": "" if status == "any" else status}


def row(trace: r.TraceRow) -> dict[str, object]:
    return {
        "time (UTC)": wording.when(trace.start_time).removesuffix(" UTC"),
        "question": wording.one_line(trace.input_preview, PREVIEW),
        "answer": wording.one_line(trace.output_preview, PREVIEW),
        "hallucination": trace.scores.get("hallucination"),
        "status": "✘ error" if trace.errors else "ok",
        "latency": trace.latency_ms / 1000,
        "tokens": trace.input_tokens + trace.output_tokens,
        "cost": trace.cost,
        "spans": trace.spans,
        "name": trace.name,
        "environment": trace.environment,
        "user": trace.user_id,
        "session": trace.session_id,
    }


# ------------------------------------------------------------------ pages


def cursors() -> list[str]:
    """Where each page that was turned to begins."""
    stack: list[str] = st.session_state.setdefault("trace_cursors", [""])
    return stack


def keep_place(question: tuple[str, ...]) -> None:
    """Another filter, range or project starts at the first page again."""
    if st.session_state.get("trace_question") != question:
        st.session_state["trace_question"] = question
        st.session_state["trace_cursors"] = [""]


def turn_pages(next_cursor: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        newer, older = ":material/chevron_left:", ":material/chevron_right:"
        if st.button("Newer", icon=newer, disabled=len(cursors()) == 1):
            cursors().pop()
            st.rerun()
        if st.button("Older", icon=older, disabled=not next_cursor, icon_position="right"):
            cursors().append(next_cursor)
            st.rerun()
        st.caption(f"Page {len(cursors())}, newest first. Select a row to open its trace.")


page()
