"""A collector that comes back: what outlived it goes on."""

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
    clock = Ahead()
    settings = Settings(home=tmp_path, admin_key="sk-dl-00000000-admin-of-this-test-only")
    with TestClient(create_app(settings, clock)) as client:
        headers = {"Authorization": f"Bearer {settings.admin_key}", "Driftline-Project": "shop"}
        client.post("/v1/projects", json={"name": "shop"}, headers=bare(headers))
        client.post("/v1/events", json=event(), headers=headers)
        lease = client.post("/v1/work/lease", json={"worker": "w"}, headers=headers).json()
    clock.ahead = timedelta(minutes=10)
    with TestClient(create_app(settings, clock)) as client:
        path, body = f"/v1/work/{lease['id']}", {"scores": [], "embeddings": []}
        assert client.post(f"{path}/renew", json={}, headers=headers).status_code == 204
        assert client.post(f"{path}/scores", json=body, headers=headers).status_code == 204
        overview = client.get("/v1/overview", headers=headers).json()
    assert overview["scored"] == 1
