"""The list of traces: filters in the URL, keyset pages, a click opens one."""

import streamlit as st

from driftline.dashboard import wording
from driftline.dashboard.session import api, choose_range, param
from driftline.sdk import records as r

PAGE_ROWS = 50
FILTERS = ("environment", "model", "session_id", "user_id")


def page() -> None:
    st.title("Traces")
    start, end = choose_range()
    found = api().traces(
        start=start, end=end, cursor=cursors()[-1], limit=PAGE_ROWS, **chosen_filters()
    )
    if not found.rows:
        st.info(
            "No trace matches. Widen the time range or clear a filter.", icon=":material/search:"
        )
        turn_pages("")
        return
    picked = st.dataframe(
        [row(trace) for trace in found.rows],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"traces-{len(cursors())}",
        column_config={
            "hallucination": st.column_config.ProgressColumn(
                "hallucination", min_value=0.0, max_value=1.0, format="%.2f"
            ),
            "question": st.column_config.TextColumn("question", width="medium"),
            "answer": st.column_config.TextColumn("answer", width="medium"),
        },
        alt="Traces, newest first",
    )
    st.caption("Select a row to open the trace.")
    turn_pages(found.next_cursor)
    rows = picked["selection"]["rows"]
    if rows:
        st.switch_page("views/trace.py", query_params={"trace": found.rows[rows[0]].trace_id})


def chosen_filters() -> dict[str, str]:
    """The filter bar; each value starts from the URL and goes back to it."""
    columns = st.columns(len(FILTERS) + 1)
    values = {}
    for column, name in zip(columns, FILTERS, strict=False):
        label = name.removesuffix("_id")
        values[name] = column.text_input(
            label, value=param(name), placeholder="any", on_change=first_page
        )
    status = columns[-1].selectbox("status", ["any", "ok", "error"], on_change=first_page)
    values["status"] = "" if status == "any" else status
    for name, value in values.items():
        if value:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]
    return values


def row(trace: r.TraceRow) -> dict[str, object]:
    return {
        "time": wording.when(trace.start_time),
        "name": trace.name,
        "question": trace.input_preview,
        "answer": trace.output_preview,
        "hallucination": trace.scores.get("hallucination"),
        "latency": wording.milliseconds(trace.latency_ms),
        "tokens": trace.input_tokens + trace.output_tokens,
        "spans": trace.spans,
        "errors": trace.errors,
        "user": trace.user_id,
        "session": trace.session_id,
    }


def cursors() -> list[str]:
    """Where each page that was turned to begins."""
    stack: list[str] = st.session_state.setdefault("trace_cursors", [""])
    return stack


def first_page() -> None:
    st.session_state["trace_cursors"] = [""]


def turn_pages(next_cursor: str) -> None:
    back, where, forward = st.columns([1, 4, 1])
    if back.button("← Newer", disabled=len(cursors()) == 1):
        cursors().pop()
        st.rerun()
    where.caption(f"Page {len(cursors())}")
    if forward.button("Older →", disabled=not next_cursor):
        cursors().append(next_cursor)
        st.rerun()


page()
