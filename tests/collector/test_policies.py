"""A project's settings over HTTP."""

from __future__ import annotations


def test_a_new_project_has_the_defaults(front):
    settings = front.get("/v1/settings")
    assert settings["retention_days"] == 0
    assert settings["redact"] == []
    assert settings["llm_scope"] is True


def test_settings_are_replaced_and_seen_at_once(front):
    price = {"model": "house-7b", "input": 0.1, "output": 0.2}
    answer = front.client.put(
        "/v1/settings", json={"retention_days": 30, "prices": [price]}, headers=front.headers
    )
    assert answer.status_code == 200, answer.text
    settings = front.get("/v1/settings")
    assert settings["retention_days"] == 30
    assert settings["prices"][0]["model"] == "house-7b"
    assert settings["prices"][0]["input_cached"] is None
    assert front.services.policies.of(front.project_id).retention_days == 30


def test_projects_do_not_share_settings(front):
    front.client.put("/v1/settings", json={"retention_days": 30}, headers=front.headers)
    assert front.for_project("another").get("/v1/settings")["retention_days"] == 0


def test_a_wrong_setting_names_its_field(front):
    answer = front.client.put("/v1/settings", json={"retention_days": -1}, headers=front.headers)
    assert answer.status_code == 422
    assert "retention_days" in answer.json()["field"]
    unknown = front.client.put("/v1/settings", json={"retention": 1}, headers=front.headers)
    assert unknown.status_code == 422
