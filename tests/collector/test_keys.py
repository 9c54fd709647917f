"""API keys: their shape, their hash, what a scope may do, the first admin key."""

import re
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.collector import keys


def test_a_key_has_the_documented_shape_and_carries_its_id():
    minted = keys.mint()
    assert re.fullmatch(r"sk-dl-[0-9a-f]{8}-[0-9A-Za-z]{32}", minted.text)
    assert keys.key_id(minted.text) == minted.id
    assert minted.last4 == minted.text[-4:]


def test_no_two_keys_are_the_same():
    assert len({keys.mint().text for _ in range(1000)}) == 1000


def test_only_a_hash_is_kept_and_the_key_matches_it():
    minted = keys.mint()
    assert minted.text not in minted.digest and len(minted.digest) == 64
    assert keys.matches(minted.text, minted.digest)


@given(st.text(max_size=80))
def test_any_other_text_does_not_match_and_has_no_id_by_accident(text):
    minted = keys.mint()
    assert not keys.matches(text, minted.digest)
    assert keys.key_id(text) == "" or keys.SHAPE.fullmatch(text)


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        ("ingest", {"ingest"}),
        ("read", {"read"}),
        ("work", {"work", "read"}),
        ("admin", {"ingest", "read", "work", "admin"}),
        ("nonsense", set()),
    ],
)
def test_a_scope_includes_what_the_contract_says(scope, may):
    assert {needed for needed in keys.SCOPES if keys.allows(scope, needed)} == may


def test_the_first_admin_key_is_written_for_the_owner_only_and_found_again(tmp_path):
    first = keys.bootstrap(tmp_path / "home", "")
    path = tmp_path / "home" / "admin.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() == first
    assert keys.bootstrap(tmp_path / "home", "") == first


def test_a_configured_admin_key_is_used_and_not_written_down(tmp_path):
    assert keys.bootstrap(tmp_path, "sk-dl-00000000-mine") == "sk-dl-00000000-mine"
    assert not (tmp_path / "admin.key").exists()
