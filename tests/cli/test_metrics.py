"""driftline metrics against a real collector, with the cards of this installation."""

import json
from pathlib import Path
from typing import Protocol

import pytest

from driftline.cli.main import main
from driftline.metrics.catalog import built_in
from driftline.sdk.api import Api


class Running(Protocol):
    """The collector of conftest.py."""

    url: str
    home: Path
    admin: Api


@pytest.fixture
def shop(
    collector: Running, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Api:
    """A project of the test's own, which the commands are about."""
    monkeypatch.delenv("DRIFTLINE_API_KEY", raising=False)
    monkeypatch.setenv("DRIFTLINE_URL", collector.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(collector.home))
    monkeypatch.setenv("DRIFTLINE_PROJECT", request.node.name)
    collector.admin.create_project(request.node.name)
    api = collector.admin.for_project(request.node.name)
    api.announce_metrics(built_in().records())
    return api


def test_the_list_names_every_metric_and_a_group_only_its_own(
    shop: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metrics", "list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in built_in().entries)
    assert main(["metrics", "list", "--group", "perplexity"]) == 0
    text = capsys.readouterr().out
    assert "prompt_perplexity" in text and "response_words" not in text


def test_a_group_that_is_none_is_said_with_those_that_are(
    shop: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metrics", "list", "--group", "Vibes"]) == 2
    assert "Perplexity" in capsys.readouterr().err


def test_a_card_says_when_the_number_lies(shop: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "show", "response_repetition"]) == 0
    text = capsys.readouterr().out
    assert "tables, lyrics and lists repeat on purpose" in text and "0 to 1" in text


def test_metrics_are_turned_off_and_on_again(shop: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "off", "response_words", "prompt_perplexity"]) == 0
    assert "driftline backfill" in capsys.readouterr().out
    assert set(shop.settings().metrics_off) == {"response_words", "prompt_perplexity"}
    assert main(["metrics", "on", "response_words", "--json"]) == 0
    (card,) = json.loads(capsys.readouterr().out)
    assert card["name"] == "response_words" and card["on"] is True
    assert shop.settings().metrics_off == ["prompt_perplexity"]


@pytest.mark.parametrize("word", ["show", "on", "off"])
def test_an_unknown_name_says_what_is_near_and_changes_nothing(
    shop: Api, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert main(["metrics", word, "response_word"]) == 2
    assert "did you mean response_words" in capsys.readouterr().err
    assert shop.settings().metrics_off == []
