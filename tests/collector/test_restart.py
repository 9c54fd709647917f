"""A collector that comes back: what outlived it goes on."""

import sqlite3
from datetime import timedelta

from starlette.testclient import TestClient

from driftline.collector.app import create_app
from driftline.collector.clock import utc_now
from driftline.collector.settings import Settings


class Ahead:
    """The system's clock, put forward."""

    ahead = timedelta()

    def __call__(self):
        return utc_now() + self.ahead


def bare(headers):
    return {"Authorization": headers["Authorization"]}


def test_leases_that_ran_out_while_no_collector_ran_are_extended_and_the_work_is_kept(
    tmp_path, event
):
    """A worker that outlives a restart of the collector hands its results in to the next one."""
    outlive(tmp_path, event, timedelta(minutes=10))


def test_a_short_absence_is_forgiven_too_although_the_killed_collector_still_holds_its_duty(
    tmp_path, event
):
    """Shorter than the duty's twenty seconds, longer than the lease."""
    outlive(tmp_path, event, timedelta(seconds=8), killed=True)


def outlive(tmp_path, event, absence, killed=False):
    clock = Ahead()
    settings = Settings(home=tmp_path, admin_key="sk-dl-00000000-admin-of-this-test-only")
    with TestClient(create_app(settings, clock)) as client:
        headers = {"Authorization": f"Bearer {settings.admin_key}", "Driftline-Project": "shop"}
        client.post("/v1/projects", json={"name": "shop"}, headers=bare(headers))
        client.post("/v1/events", json=event(), headers=headers)
        request = {"worker": "w", "lease_seconds": 5}
        lease = client.post("/v1/work/lease", json=request, headers=headers).json()
    clock.ahead = absence
    if killed:
        with sqlite3.connect(tmp_path / "control.db") as control:
            control.execute("UPDATE duties SET expires_at = datetime(expires_at, '+20 seconds')")
    with TestClient(create_app(settings, clock)) as client:
        path, body = f"/v1/work/{lease['id']}", {"scores": [], "embeddings": []}
        assert client.post(f"{path}/renew", json={}, headers=headers).status_code == 204
        assert client.post(f"{path}/scores", json=body, headers=headers).status_code == 204
        overview = client.get("/v1/overview", headers=headers).json()
    assert overview["scored"] == 1
