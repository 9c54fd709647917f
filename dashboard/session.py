"""What a page needs besides its content: the collector, the project, the time range, and what to
show when it fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import streamlit as st

from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError, AuthError, ConfigError, NotFound, Unreachable

DEFAULT_URL = "http://127.0.0.1:8400"
TIMEOUT_SECONDS = 20.0
RANGES = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
RANGE_WORDS = {
    "1h": "Last hour",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
}
PROJECT_KEY = "project"


def service() -> Api:
    """The collector as this dashboard's key sees it. Raises ConfigError."""
    key = os.environ.get("DRIFTLINE_API_KEY", "")
    if not key:
        raise ConfigError(
            "DRIFTLINE_API_KEY is not set: start the dashboard with a read or admin key"
        )
    url = os.environ.get("DRIFTLINE_URL", DEFAULT_URL)
    return Api(url, key, timeout_seconds=TIMEOUT_SECONDS, retries=1)


def api() -> Api:
    """The collector, on the chosen project; stops the page when there is none."""
    project = st.session_state.get(PROJECT_KEY) or ""
    if not project:
        st.info(
            "No project yet. Create one: `driftline projects create my-app`",
            icon=":material/folder:",
        )
        st.stop()
    return service().for_project(project)


def choose_project() -> None:
    """The project picker in the sidebar; the choice lives in the URL, so links can be shared."""
    names = [project.name for project in service().projects()]
    wanted = st.query_params.get(PROJECT_KEY) or os.environ.get("DRIFTLINE_PROJECT", "")
    known = st.session_state.get(PROJECT_KEY)
    if known not in names:
        st.session_state[PROJECT_KEY] = wanted if wanted in names else (names or [""])[-1]
    if names:
        st.sidebar.selectbox("Project", names, key=PROJECT_KEY)


def choose_range() -> tuple[str, str]:
    """The time range picker of a page; returns (start, end) as RFC 3339."""
    chosen = st.segmented_control(
        "Time range",
        list(RANGES),
        default="7d",
        format_func=lambda name: RANGE_WORDS[str(name)],
        key="range",
        label_visibility="collapsed",
    )
    end = datetime.now(UTC)
    return rfc3339(end - RANGES[chosen or "7d"]), rfc3339(end)


def rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turn what the collector refuses into a message that says what to do; never a traceback."""
    try:
        yield
    except Unreachable as error:
        url = urlsplit(os.environ.get("DRIFTLINE_URL", DEFAULT_URL)).netloc
        stop_with(f"The collector at {url} does not answer ({error}). Is `driftline up` running?")
    except AuthError as error:
        stop_with(f"The collector refuses this dashboard's key: {error}")
    except NotFound as error:
        stop_with(f"Not found: {error}. It may belong to another project; see the picker.")
    except ConfigError as error:
        stop_with(str(error))
    except ApiError as error:
        stop_with(f"The collector answered with an error (HTTP {error.status}): {error}")


def stop_with(message: str) -> None:
    """Show an error and end the page here."""
    st.error(plain(message), icon=":material/notification_important:")
    st.stop()


def plain(text: str) -> str:
    """`text` for a markdown element, showing every character as it is."""
    return "".join(f"\\{c}" if c in MARKDOWN else c for c in text)


MARKDOWN = frozenset("\\`*_{}[]()<>#+-.!|~:$&^=")


def param(name: str) -> str:
    """A value from the page's URL, or ""."""
    return st.query_params.get(name) or ""
