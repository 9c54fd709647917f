"""Emoji, as a reader counts them: a family, a flag and a waving hand of any skin tone are one each.

Unicode Technical Standard #51, with the property tables of the `regex` package. What is shown as
text by default (©, ™, ☺) counts only with the selector that makes it a picture (U+FE0F).
"""

from __future__ import annotations

import regex

# A flag of two letters; a keycap; or pictures joined by ZWJ, each with its tone, selector or tags.
_TAGS = r"[\U000E0020-\U000E007E]{1,16}+\U000E007F"
_AFTER = rf"(?:\p{{Emoji_Modifier}}|\uFE0F\u20E3?|{_TAGS})?+"
_SHOWN = rf"(?:\p{{Emoji_Presentation}}{_AFTER}|\p{{Emoji}}(?:\p{{Emoji_Modifier}}|\uFE0F))"
_JOINED = rf"(?:\u200D\p{{Extended_Pictographic}}{_AFTER})"
EMOJI = regex.compile(
    rf"\p{{Regional_Indicator}}{{2}}|[0-9#*]\uFE0F?\u20E3"
    rf"|(?!\p{{Regional_Indicator}})(?:{_SHOWN}{_JOINED}*+|\p{{Extended_Pictographic}}{_JOINED}++)"
)


def emoji_count(text: str) -> int:
    return sum(1 for _ in EMOJI.finditer(text))
