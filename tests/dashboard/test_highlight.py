"""Marked text is cut exactly, and hostile text stays text."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from driftline.dashboard.highlight import highlighted, parts
from driftline.sdk.records import TextSpan

spans = st.lists(
    st.builds(
        TextSpan,
        st.integers(-3, 60),
        st.integers(-3, 60),
        st.floats(0, 1),
        st.text(max_size=10),
    ),
    max_size=6,
)


@given(st.text(max_size=60), spans)
def test_the_parts_put_together_are_the_text(text: str, marks: list[TextSpan]) -> None:
    assert "".join(part.text for part in parts(text, marks)) == text


@given(st.text(max_size=60), spans)
def test_no_character_of_the_text_becomes_markup(text: str, marks: list[TextSpan]) -> None:
    without_ours = re.sub(
        r'</?(div|mark|span)( class="[a-z -]*")?>', "", highlighted("answer", text, marks)
    )
    assert "<" not in without_ours
    assert ">" not in without_ours


def test_a_marked_sentence_carries_its_label_and_score() -> None:
    page = highlighted("answer", "Yes. No <b>.", [TextSpan(5, 12, 0.914, "a <label>")])
    assert "<mark" in page
    assert html.escape("No <b>.") in page
    assert "[a &lt;label&gt; 91 %]" in page


def test_spans_that_do_not_fit_the_text_are_left_out() -> None:
    assert [part.span for part in parts("short", [TextSpan(3, 99, 1.0, "")])] == [None]
