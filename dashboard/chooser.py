"""A list of things, one of which is open; the choice is in the URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from .session import param, plain, set_param

LIST_WIDTH = 250
LIST_HEIGHT = 620
LONG_LIST = 7


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of the list: how it stands in words, and what it is about."""

    id: str
    title: str
    about: str


def beside() -> tuple[DeltaGenerator, DeltaGenerator]:
    """A narrow place for the list and a wide one for what is open; they wrap on small screens."""
    row = st.container(horizontal=True, gap="medium")
    return row.container(width=LIST_WIDTH), row.container(width="stretch")


def choose(name: str, about: str, entries: Sequence[Entry]) -> str:
    """The id of the entry to show: the URL's (also when it is too old for the list), else the
    first one's.
    """
    found = {entry.id: entry for entry in entries}
    wanted = param(name)
    ids = list(found) if not wanted or wanted in found else [wanted, *found]
    scrolls = len(ids) > LONG_LIST
    with st.container(border=True, height=LIST_HEIGHT if scrolls else "content"):
        picked: str = st.radio(
            about,
            ids,
            index=ids.index(wanted) if wanted else 0,
            format_func=lambda i: plain(found[i].title) if i in found else plain(i),
            captions=[plain(found[i].about) if i in found else "an older one" for i in ids],
        )
    set_param(name, picked)
    return picked
