"""What a page needs besides its content: the collector, the project, the time range, and what to
show when something fails.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import ParamSpec
from urllib.parse import urlsplit

import streamlit as st

from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError, AuthError, ConfigError, NotFound, Unreachable

P = ParamSpec("P")

DEFAULT_URL = "http://127.0.0.1:8400"
TIMEOUT_SECONDS = 20.0
REFRESH_SECONDS = 15
ROUND_SECONDS = 10  # ranges end on full tens of seconds, so that visitors share cached answers
RANGES = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
RANGE_WORDS = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
DEFAULT_RANGE = "7d"
PROJECT_KEY = "project"
MARKDOWN = frozenset("\\`*_{}[]()<>#+-.!|~:$&^=@/")


# ------------------------------------------------------------------ the collector


def collector_url() -> str:
    return os.environ.get("DRIFTLINE_URL", DEFAULT_URL)


def service() -> Api:
    """The collector as this dashboard's key sees it. Raises ConfigError."""
    key = os.environ.get("DRIFTLINE_API_KEY", "")
    if not key:
        raise ConfigError(
            "DRIFTLINE_API_KEY is not set. Make a key with `driftline keys create --scope read` "
            "(admin, to acknowledge and approve here), set it and start the dashboard again"
        )
    return Api(collector_url(), key, timeout_seconds=TIMEOUT_SECONDS, retries=1)


def api() -> Api:
    """The collector, on the chosen project."""
    return service().for_project(current_project())


def current_project() -> str:
    """The chosen project; stops the page when there is none."""
    project: str = st.session_state.get(PROJECT_KEY) or ""
    if not project:
        st.info("There is no project yet. Create one: `driftline projects create my-app`")
        st.stop()
    return project


def choose_project() -> None:
    """The project picker in the sidebar; the choice is in the URL, so that links can be shared."""
    names = [project.name for project in service().projects()]
    wanted = st.query_params.get(PROJECT_KEY) or os.environ.get("DRIFTLINE_PROJECT", "")
    if st.session_state.get(PROJECT_KEY) not in names:
        st.session_state[PROJECT_KEY] = wanted if wanted in names else (names or [""])[-1]
    if len(names) > 1:
        st.sidebar.selectbox("Project", names, key=PROJECT_KEY)
    elif names:
        st.sidebar.caption("Project")
        st.sidebar.text(names[0])
    if names:
        st.query_params[PROJECT_KEY] = st.session_state[PROJECT_KEY]


# ------------------------------------------------------------------ the URL


def param(name: str) -> str:
    """A value from the page's URL, or ""."""
    return st.query_params.get(name) or ""


def set_param(name: str, value: str) -> None:
    """Put a value into the page's URL; "" takes it out."""
    if value:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def link(name: str, value: str) -> dict[str, str]:
    """The query of a link to another page of this project."""
    return {PROJECT_KEY: current_project(), name: value}


def heading(title: str) -> tuple[str, str]:
    """A page's title with the time range beside it; returns (start, end) as RFC 3339."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(title)
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        return choose_range()


def choose_range() -> tuple[str, str]:
    chosen = st.segmented_control(
        "Time range",
        list(RANGES),
        default=DEFAULT_RANGE,
        required=True,
        format_func=lambda name: RANGE_WORDS[str(name)],
        key="range",
        bind="query-params",
        label_visibility="collapsed",
    )
    now = datetime.now(UTC).timestamp()
    end = datetime.fromtimestamp(-(-now // ROUND_SECONDS) * ROUND_SECONDS, UTC)
    return rfc3339(end - RANGES[chosen or DEFAULT_RANGE]), rfc3339(end)


def rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


# ------------------------------------------------------------------ failures


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turn what the collector refuses into a message that says what to do; never a traceback."""
    try:
        yield
    except (ApiError, ConfigError) as error:
        st.error(plain(explanation(error)), icon=":material/error:")
        if st.button("Try again", icon=":material/refresh:", key="again"):
            st.rerun()
        st.stop()


def tried(action: Callable[[], object]) -> bool:
    """Do what a button asks for; a refusal is shown beside it and the page goes on."""
    try:
        action()
    except (ApiError, ConfigError) as error:
        st.error(plain(explanation(error)), icon=":material/error:")
        return False
    return True


def refreshed(show: Callable[P, None]) -> Callable[P, None]:
    """A part of a page that draws itself again every REFRESH_SECONDS, failures included."""

    @st.fragment(run_every=REFRESH_SECONDS)
    @functools.wraps(show)
    def again(*args: P.args, **kwargs: P.kwargs) -> None:
        with errors_shown():
            show(*args, **kwargs)

    return again


def explanation(error: ApiError | ConfigError) -> str:
    """What went wrong and what to do, in words for the person in front of the page (pure)."""
    said = str(error).rstrip(". ")
    if not isinstance(error, ApiError):
        return f"{said}."
    if isinstance(error, Unreachable):
        where = urlsplit(collector_url()).netloc
        return f"The collector at {where} does not answer. Is `driftline up` running? ({said})"
    request = f" (request {error.request_id})" if error.request_id else ""
    if isinstance(error, AuthError) and error.status == 403:
        return (
            f"This dashboard's key may not do that: {said}. Start the dashboard with a key of "
            f"scope admin.{request}"
        )
    if isinstance(error, AuthError):
        return f"The collector refuses DRIFTLINE_API_KEY: {said}.{request}"
    if isinstance(error, NotFound):
        return f"Not found: {said}. It may belong to another project, see the picker.{request}"
    return f"The collector answered HTTP {error.status}: {said}.{request}"


def plain(text: str) -> str:
    """`text` for a label that takes markdown, showing every character as it is."""
    return "".join(f"\\{c}" if c in MARKDOWN else c for c in text)
