"""Every metric that the workers can compute: what it means, and whether this project wants it."""

import streamlit as st

from driftline.dashboard import markup
from driftline.dashboard.session import api, current_project, plain, tried
from driftline.sdk import records as r
from driftline.sdk.choice import range_words, turned

EMBEDDED = "driftline"


def page() -> None:
    st.title("Metrics")
    cards = api().metrics()
    if not cards:
        st.info(
            "No worker has said yet what it can compute. Start one: `driftline worker`, or "
            "`driftline up`"
        )
        return
    st.caption(
        "A choice holds for events that are scored from now on; for older ones run "
        "`driftline backfill --since 7d`. Changing it takes a dashboard key of scope admin."
    )
    wanted = st.text_input("Find", placeholder="a name, or a word of a card", key="find").lower()
    shown = [card for card in cards if wanted in words_of(card)]
    if not shown:
        st.caption("No metric's card has that.")
    for name in dict.fromkeys(card.group for card in shown):
        group(name, [card for card in shown if card.group == name], opened=bool(wanted))


def words_of(card: r.MetricCard) -> str:
    return f"{card.name} {card.title} {card.group} {card.formula} {card.lies}".lower()


def group(name: str, cards: list[r.MetricCard], *, opened: bool) -> None:
    on = sum(card.on for card in cards)
    package = cards[0].package
    origin = "" if package == EMBEDDED else f", from the package {package}"
    title = f"{name}: {on} of {len(cards)} on{origin}"
    with st.expander(plain(title), expanded=opened or name == "Perplexity"):
        for card in cards:
            draw(card)


def draw(card: r.MetricCard) -> None:
    left, right = st.columns([2, 5], gap="medium")
    # The key holds what the collector says, so that a choice made elsewhere shows here too.
    key = f"{current_project()}/{card.name}/{card.on}"
    left.toggle(plain(card.title), card.on, key=key, on_change=turn, args=(card.name, key))
    with right:
        st.html(
            markup.facts(
                [
                    ("name", card.name),
                    ("formula", card.formula),
                    ("source", card.source),
                    ("needs", card.needs),
                    ("range", range_words(card.low, card.high)),
                    ("unit", "" if card.unit == "1" else card.unit),
                    ("costs", card.cost),
                    ("version", card.version),
                    ("it lies", card.lies),
                ]
            )
        )


def turn(name: str, key: str) -> None:
    """What a toggle does; a refusal is said and puts the toggle back."""
    on = bool(st.session_state[key])
    if not tried(lambda: choose(name, on)):
        st.session_state[key] = not on


def choose(name: str, on: bool) -> None:
    found = api()
    found.set_settings(turned(found.settings(), found.metrics(), [name], on))


page()
