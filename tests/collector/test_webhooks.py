"""Webhook endpoints over HTTP: what is accepted, what is shown, what is stored."""

import base64
import stat

import pytest

from driftline.collector import signing
from driftline.collector.errors import ConfigError
from driftline.collector.tables import WebhookRow

PUBLIC = "https://hooks.example.com/driftline"


def test_an_endpoint_is_made_with_a_secret_of_the_standards_shape_shown_once(front):
    made = front.post("/v1/webhooks", {"url": PUBLIC, "events": ["incident.opened"]})
    assert made["secret"].startswith("whsec_")
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) >= 24
    (listed,) = front.get("/v1/webhooks")["webhooks"]
    assert listed == {**made, "secret": ""}


def test_the_secret_is_unreadable_at_rest_and_its_key_is_for_the_owner_only(front):
    made = front.post("/v1/webhooks", {"url": PUBLIC})
    with front.services.control.reading() as session:
        stored = session.get(WebhookRow, made["id"]).secret
    home = front.services.settings.home
    assert made["secret"] not in stored
    assert signing.Vault(home).unlock(stored) == made["secret"]
    assert stat.S_IMODE((home / signing.KEY_FILE).stat().st_mode) == 0o600


def test_a_lost_key_file_is_named_in_the_error(tmp_path):
    locked = signing.Vault(tmp_path / "a").lock("whsec_x")
    with pytest.raises(ConfigError, match=signing.KEY_FILE):
        signing.Vault(tmp_path / "b").unlock(locked)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://[::1]:8400/",
        "https://169.254.169.254/latest/meta-data/",
        "https://0x7f000001/",
        "https://user:pw@hooks.example.com/",
        "javascript:alert(1)",
    ],
)
def test_a_forbidden_target_is_refused_by_field_with_what_to_do(front, url):
    answer = front.post("/v1/webhooks", {"url": url}, expect=422)
    assert (answer["code"], answer["field"]) == ("forbidden_target", "url")


@pytest.mark.parametrize("events", [[], ["everything"], ["incident.opened", ""]])
def test_unknown_event_names_are_refused(front, events):
    front.post("/v1/webhooks", {"url": PUBLIC, "events": events}, expect=422)


def test_a_removed_endpoint_is_gone(front):
    made = front.post("/v1/webhooks", {"url": PUBLIC})
    path = f"/v1/webhooks/{made['id']}"
    assert front.client.delete(path, headers=front.headers).status_code == 204
    assert front.get("/v1/webhooks")["webhooks"] == []
    assert front.client.delete(path, headers=front.headers).status_code == 404


def test_another_projects_endpoint_cannot_be_removed(front, uuid7):
    made = front.post("/v1/webhooks", {"url": PUBLIC})
    other = front.for_project(f"other {uuid7()}")
    path = f"/v1/webhooks/{made['id']}"
    assert other.client.delete(path, headers=other.headers).status_code == 404
    assert len(front.get("/v1/webhooks")["webhooks"]) == 1
