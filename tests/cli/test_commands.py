"""The data commands against a real collector: what they print, and what they did."""

import dataclasses
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from driftline.cli.main import main
from driftline.sdk.api import Api
from driftline.sdk.errors import AuthError
from driftline.sdk.ids import Uuid7Ids
from driftline.sdk.records import Price

ALL_TIME = "2000-01-01T00:00:00Z"


class Running(Protocol):
    """The collector of conftest.py."""

    url: str
    home: Path
    admin: Api


Run = Callable[..., str]


@pytest.fixture
def run(
    collector: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a command that must succeed; returns what it printed."""
    for name in ("DRIFTLINE_API_KEY", "DRIFTLINE_PROJECT", "DRIFTLINE_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRIFTLINE_URL", collector.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(collector.home))

    def call(*words: str, status: int = 0) -> str:
        assert main(words) == status, capsys.readouterr().err
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.err

    return call


def record(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text)
    return found


def test_a_project_is_created_once_and_listed(run: Run) -> None:
    first = record(run("projects", "create", "shop", "--json"))
    assert record(run("projects", "create", "shop", "--json"))["id"] == first["id"]
    assert re.search(r"^shop\s+\S+", run("projects", "list"), re.MULTILINE)


def test_a_key_works_until_it_is_revoked(run: Run, collector: Running) -> None:
    run("projects", "create", "shop")
    arguments = ("--project", "shop", "--scope", "read", "--name", "notebook", "--json")
    key = record(run("keys", "create", *arguments))
    api = Api(collector.url, str(key["secret"]), project="shop")
    assert api.events().rows == []
    assert str(key["secret"]) not in run("keys", "list")
    run("keys", "revoke", str(key["id"]))
    with pytest.raises(AuthError):
        api.events()


def test_the_new_key_is_printed_with_the_word_that_it_is_shown_once(run: Run) -> None:
    run("projects", "create", "shop")
    text = run("keys", "create", "--project", "shop", "--scope", "ingest")
    assert re.search(r"^key +sk-dl-\S+-\S+ +\(shown only now", text, re.MULTILINE)


def test_a_webhook_is_created_listed_and_deleted(run: Run) -> None:
    run("projects", "create", "shop")
    target = ("http://127.0.0.1:1/hook", "--event", "incident.opened", "--project", "shop")
    made = record(run("webhooks", "create", *target, "--json"))
    assert str(made["secret"]).startswith("whsec_")
    assert "incident.opened" in run("webhooks", "list", "--project", "shop")
    run("webhooks", "delete", str(made["id"]), "--project", "shop")
    assert "no webhooks" in run("webhooks", "list", "--project", "shop")


def test_setting_the_monitor_changes_what_is_given_and_keeps_the_rest(run: Run) -> None:
    run("projects", "create", "shop")
    before = record(run("monitor", "show", "--project", "shop", "--json"))
    settings = ("--window-events", "40", "--finetune", "auto", "--job", "max_steps=12")
    after = record(run("monitor", "set", *settings, "--project", "shop", "--json"))
    assert after["window_events"] == 40 and after["finetune"] == "auto"
    job = after["job"]
    assert isinstance(job, dict) and job["max_steps"] == 12 and job["rank"] == 8
    assert after["alpha"] == before["alpha"]
    assert after == record(run("monitor", "show", "--project", "shop", "--json"))


def test_nothing_to_set_and_a_wrong_value_say_so(run: Run) -> None:
    run("projects", "create", "shop")
    assert "nothing to set" in run("monitor", "set", "--project", "shop", status=2)
    words = run("monitor", "set", "--alpha", "7", "--project", "shop", status=1)
    assert words.startswith("error: ") and "alpha" in words


def test_a_quiet_project_has_no_incidents_and_no_jobs(run: Run) -> None:
    run("projects", "create", "quiet")
    assert "no incidents" in run("incidents", "list", "--project", "quiet")
    assert "no fine-tuning jobs" in run("jobs", "list", "--project", "quiet")
    assert json.loads(run("jobs", "list", "--project", "quiet", "--json")) == []


@pytest.mark.parametrize(
    "words", [("incidents", "show"), ("jobs", "show"), ("incidents", "ack"), ("jobs", "approve")]
)
def test_what_is_not_there_is_status_1_in_one_line(run: Run, words: tuple[str, str]) -> None:
    run("projects", "create", "quiet")
    said = run(*words, "0199c300-0000-7000-8000-000000000000", "--project", "quiet", status=1)
    assert said.startswith("error: ") and "404" in said and said.count("\n") == 1


def test_without_a_project_the_command_asks_which(run: Run) -> None:
    run("projects", "create", "shop")
    run("projects", "create", "quiet")
    said = run("incidents", "list", status=2)
    assert "which project?" in said and "quiet" in said and "shop" in said


def test_a_wrong_key_is_status_1(run: Run) -> None:
    said = run("projects", "list", "--key", "sk-dl-nobody-nothing", status=1)
    assert said.startswith("error: ") and "401" in said


def new_event(**fields: object) -> dict[str, object]:
    now = time.time_ns() // 1000
    return {"id": Uuid7Ids().new(now), "start_time": now, **fields}


def lines(path: Path, count: int) -> Path:
    rows = [
        {"id": f"r{n}", "model": "m", "input": f"q{n}", "output": f"a{n}", "tags": ["t"]}
        for n in range(count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_replay_stores_every_event_and_sending_it_again_is_new_traffic(
    run: Run, tmp_path: Path, collector: Running
) -> None:
    run("projects", "create", "replayed")
    file = lines(tmp_path / "rows.jsonl", 50)
    api = collector.admin.for_project("replayed")
    for expected in (50, 100):
        run("replay", str(file), "--project", "replayed", "--spread", "1")
        assert api.overview(start=ALL_TIME, buckets=1).events == expected
    newest = api.event(api.events(limit=1).rows[0].id)
    assert (newest.output, newest.tags, newest.kind) == ("a49", ["t"], "llm")


def test_a_replay_keeps_parents_and_traces(run: Run, tmp_path: Path, collector: Running) -> None:
    run("projects", "create", "nested")
    rows = [
        {"id": "root", "trace_id": "t1", "span_id": "s1", "kind": "agent", "input": "q"},
        {"id": "leaf", "trace_id": "t1", "parent_id": "s1", "output": "a"},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    run("replay", str(file), "--project", "nested")
    api = collector.admin.for_project("nested")
    root, leaf = (api.event(row.id) for row in api.events(start=ALL_TIME, order="oldest").rows)
    assert root.trace_id == leaf.trace_id
    assert leaf.parent_id == root.span_id and root.parent_id == ""


def test_prices_are_shown_and_computed_again(run: Run, collector: Running) -> None:
    run("projects", "create", "priced")
    api = collector.admin.for_project("priced")
    usage = {"input": 1_000_000, "output": 0}
    api.send_lines([new_event(model="house-7b", usage=usage)])
    assert re.search(
        r"house-7b +unknown +1 .* no price", run("prices", "show", "--project", "priced")
    )
    own = [Price("house-7b", 2.0, 4.0)]
    api.set_settings(dataclasses.replace(api.settings(), prices=own))
    for changed in (1, 0):
        said = run("prices", "recompute", "--since", "7d", "--project", "priced")
        assert re.search(rf"^changed +{changed}$", said, re.MULTILINE), said
    assert re.search(r"house-7b +project .* 2\.0000", run("prices", "show", "--project", "priced"))


def test_retention_is_set_shown_and_run(run: Run, collector: Running) -> None:
    run("projects", "create", "kept")
    api = collector.admin.for_project("kept")
    old = time.time_ns() // 1000 - 60 * 86_400_000_000
    old_id = Uuid7Ids().new(old, live=False)
    api.send_lines([new_event(), {"id": old_id, "start_time": old}])
    project = ("--project", "kept")
    assert re.search(r"^this project keeps +everything", run("retention", "show", *project))
    run("retention", "set", "30", *project)
    assert "goes with the next run" in run("retention", "show", *project)
    assert re.search(r"weeks dropped +\d{4}-", run("retention", "run", *project))
    assert len(api.events(start=ALL_TIME).rows) == 1


def test_a_user_is_deleted_after_a_yes(
    run: Run, collector: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("projects", "create", "private")
    api = collector.admin.for_project("private")
    api.send_lines([new_event(user_id="a/b c@d?"), new_event(user_id="other")])
    words = ("delete", "--user", "a/b c@d?", "--project", "private")
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "nothing was deleted" in run(*words, status=2)
    text = run(*words, "--yes")
    assert re.search(r"^events +1$", text, re.MULTILINE)
    assert re.search(r"^gone from the disk +yes$", text, re.MULTILINE)
    assert [row.user_id for row in api.events().rows] == ["other"]
    assert [done.events for done in api.deletions()] == [1]


def test_status_shows_each_project(run: Run) -> None:
    run("projects", "create", "shop")
    text = run("status")
    assert "collector  ready" in text.splitlines()[0]
    assert re.search(r"^shop +\d+ events in 24 h", text, re.MULTILINE)


def test_rescore_says_how_many_events(run: Run) -> None:
    run("projects", "create", "shop")
    assert record(run("rescore", "--since", "7d", "--project", "shop", "--json")) == {
        "events to score again": 0
    }


def test_migrate_says_what_it_did_and_again_that_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DRIFTLINE_CLICKHOUSE_URL", "DRIFTLINE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "fresh"
    monkeypatch.setenv("DRIFTLINE_HOME", "elsewhere")
    assert main(["migrate", "--home", str(home)]) == 0
    assert "0001_events.sql" in capsys.readouterr().out
    assert main(["migrate", "--home", str(home)]) == 0
    assert "up to date" in capsys.readouterr().out


def test_migrate_refuses_databases_that_a_collector_uses(run: Run, collector: Running) -> None:
    said = run("migrate", "--home", str(collector.home), status=2)
    assert said.startswith("error: ") and str(collector.home) in said
