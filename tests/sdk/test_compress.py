"""A request's bytes: one stream that the collector reads back to the same lines."""

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from driftline.sdk.compress import best_compression, gzip_lines, zstd_compression


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=100))
def test_both_give_the_lines_with_newlines_between(lines: list[bytes]) -> None:
    zstd = zstd_compression()
    assert zstd is not None
    assert gzip.decompress(gzip_lines(lines)) == b"\n".join(lines)
    assert zstandard.decompress(zstd(lines)) == b"\n".join(lines)


def test_zstd_says_its_size() -> None:
    name, compress = best_compression()
    assert name == "zstd"
    assert zstandard.frame_content_size(compress([b"x" * 100] * 1000)) == 100_999


def test_without_zstandard_it_is_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    assert best_compression() == ("gzip", gzip_lines)
