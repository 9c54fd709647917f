"""A project's limits: refused before its body is read, and nothing is lost when it comes again."""

from __future__ import annotations

import dataclasses

import pytest

from driftline.collector.limits import BURST_SECONDS, Limits
from driftline.collector.problem import Problem
from driftline.collector.settings import Settings
from driftline.sdk.records import ProjectSettings


class Time:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def limits(time, tmp_path):
    return Limits(Settings(home=tmp_path), time)


TEN = ProjectSettings(events_per_second=10)


def refused(limits, project="p"):
    """The seconds after which to come back, or 0."""
    try:
        limits.admit(project)
    except Problem as problem:
        assert (problem.status, problem.code) == (429, "rate_limited")
        return int(problem.headers["Retry-After"])
    return 0


def test_over_time_a_project_gets_its_rate_and_one_burst(limits, time):
    sent = 0
    while time.now < 200:
        if not refused(limits):
            limits.charge("p", TEN, 7, 100)
            sent += 7
        time.now += 0.05
    assert 10 * 100 <= sent <= 10 * 100 + 10 * BURST_SECONDS + 7


def test_the_wait_is_how_long_the_debt_takes(limits, time):
    limits.charge("p", TEN, 150, 100)
    wait = refused(limits)
    assert wait == 11  # 150 less a burst of 50 is a debt of 100
    time.now += wait
    assert not refused(limits)


def test_bytes_are_limited_too_and_projects_do_not_share(limits):
    wanted = ProjectSettings(bytes_per_second=1000)
    limits.charge("p", wanted, 1, 20_000)
    limits.charge("q", wanted, 1, 20)
    assert refused(limits, "p") == 16
    assert not refused(limits, "q")


def test_without_a_limit_nobody_waits_and_a_lifted_limit_forgives(limits):
    limits.charge("p", ProjectSettings(), 10**9, 10**12)
    assert not refused(limits)
    limits.charge("p", TEN, 1000, 0)
    assert refused(limits)
    limits.charge("p", ProjectSettings(), 1, 0)
    assert not refused(limits)


def test_the_collectors_limit_holds_for_a_project_without_one(time, tmp_path):
    limits = Limits(Settings(home=tmp_path, events_per_second=5), time)
    limits.charge("p", ProjectSettings(), 100, 0)
    assert refused(limits) == 16
    limits.charge("q", ProjectSettings(events_per_second=1000), 100, 0)
    assert not refused(limits, "q")


def test_a_refused_request_is_429_counted_and_stores_nothing(front, event):
    settings = dataclasses.asdict(ProjectSettings(events_per_second=1))
    front.client.put("/v1/settings", json=settings, headers=front.headers)
    front.send(*(event() for _ in range(40)))
    answer = front.client.post("/v1/events", content=b"not even JSON", headers=front.headers)
    assert answer.status_code == 429
    assert 30 <= int(answer.headers["Retry-After"]) <= 40
    assert answer.json()["code"] == "rate_limited"
    metrics = front.client.get("/metrics").text
    assert 'driftline_ingest_refused_requests_total{reason="rate_limited"} 1.0' in metrics
    assert front.get("/v1/overview")["accepted_total"] == 40
