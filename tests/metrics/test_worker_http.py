"""The worker's health and metrics server, over real HTTP."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from driftline.metrics.meters import Meters
from driftline.metrics.worker_http import Health, HealthServer
from driftline.sdk.errors import ConfigError


class Fixture:
    """A server whose health can be set."""

    def __init__(self) -> None:
        self.health = Health(True, "ok")
        self.meters = Meters()
        self.server = HealthServer("127.0.0.1", 0, lambda: self.health, self.meters.registry)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}{path}") as found:
                return found.status, found.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def served() -> Iterator[Fixture]:
    fixture = Fixture()
    with fixture.server:
        yield fixture


def test_a_living_process_is_healthy_even_when_it_is_not_ready(served: Fixture) -> None:
    served.health = Health(False, "the collector does not answer")
    assert served.get("/healthz")[0] == 200


def test_readiness_says_why_not(served: Fixture) -> None:
    assert served.get("/readyz") == (200, '{"status": "ok"}')
    served.health = Health(False, "the collector does not answer")
    assert served.get("/readyz") == (503, '{"status": "the collector does not answer"}')


def test_metrics_are_in_prometheus_text(served: Fixture) -> None:
    served.meters.events.labels("scored").inc(3)
    served.meters.leases.labels("score", "lost").inc()
    served.meters.stage_seconds.labels("text").observe(0.2)
    status, body = served.get("/metrics")
    assert status == 200
    assert 'driftline_worker_events_total{outcome="scored"} 3.0' in body
    assert 'driftline_worker_leases_total{kind="score",outcome="lost"} 1.0' in body
    assert 'driftline_worker_stage_seconds_count{stage="text"} 1.0' in body


def test_an_unknown_path_names_the_known_ones(served: Fixture) -> None:
    status, body = served.get("/nothing?x=1")
    assert status == 404 and "/healthz" in body


def test_a_port_that_is_taken_says_which_option_moves_it(served: Fixture) -> None:
    with pytest.raises(ConfigError, match="--health-port"):
        HealthServer("127.0.0.1", served.server.port, lambda: served.health, Meters().registry)
