"""Event ids are UUIDv7."""

import threading
import uuid

from hypothesis import given
from hypothesis import strategies as st

from driftline.sdk.ids import MAX_MS, Uuid7Ids, is_uuid7, now_us, span_id_of, trace_id_of, uuid7


@given(st.integers(0, MAX_MS), st.integers(0, 2**12 - 1), st.integers(0, 2**62 - 1))
def test_an_id_has_the_fields_of_rfc_9562(ms: int, rand_a: int, rand_b: int) -> None:
    parsed = uuid.UUID(uuid7(ms, rand_a, rand_b))
    assert parsed.version == 7 and parsed.variant == uuid.RFC_4122
    assert parsed.int >> 80 == ms
    assert parsed.int >> 64 & 0xFFF == rand_a
    assert parsed.int & (1 << 62) - 1 == rand_b


def test_an_id_is_lower_case_and_has_36_characters() -> None:
    text = uuid7(MAX_MS, 0xFFF, 0)
    assert text == str(uuid.UUID(text)) and len(text) == 36


@given(st.integers(-(2**70), 2**70))
def test_a_time_outside_of_48_bits_is_clamped(ms: int) -> None:
    assert uuid.UUID(uuid7(ms, 0, 0)).int >> 80 == min(max(ms, 0), MAX_MS)


def test_ids_of_several_threads_rise_in_each_and_are_all_different() -> None:
    ids = Uuid7Ids()
    made: list[list[str]] = [[] for _ in range(4)]

    def mint(into: list[str]) -> None:
        into.extend(ids.new(now_us()) for _ in range(5_000))

    threads = [threading.Thread(target=mint, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({id for mine in made for id in mine}) == 20_000


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=50))
def test_ids_rise_even_when_the_clock_goes_back(clock: list[int]) -> None:
    ids = Uuid7Ids(lambda bits: 0)
    made = [ids.new(us) for us in clock]
    assert made == sorted(set(made))


def test_more_ids_than_the_counter_holds_in_one_millisecond_still_rise() -> None:
    ids = Uuid7Ids()
    made = [ids.new(1_000_000) for _ in range(10_000)]
    assert made == sorted(set(made))


def test_an_id_of_the_past_has_exactly_its_time() -> None:
    ids = Uuid7Ids()
    ids.new(2_000_000_000_000_000)
    past = ids.new(1_500_000_000_123_456, live=False)
    assert uuid.UUID(past).int >> 80 == 1_500_000_000_123


def test_the_ids_of_a_trace_and_a_span_are_parts_of_the_events_id() -> None:
    id = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert trace_id_of(id) == "01890a5dac96774bbcceb302099a8057"
    assert span_id_of(id) == "bcceb302099a8057"
    assert trace_id_of(id)[-16:] == span_id_of(id)


@given(st.uuids(version=4))
def test_only_a_uuid7_passes_for_one(other: uuid.UUID) -> None:
    assert not is_uuid7(str(other))
    assert is_uuid7(uuid7(1, 2, 3))
    assert not is_uuid7(uuid7(1, 2, 3)[:-1])
    assert not is_uuid7(uuid7(1, 2, 3).replace("0", "g"))
