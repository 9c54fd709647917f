"""Which metrics there are, and which a project wants."""

from __future__ import annotations

from typing import Any

CARD = {
    "name": "response_length", "title": "Response length", "group": "Text", "package": "driftline",
    "formula": "code points", "source": "definition", "needs": "response", "low": 0.0, "high": None,
    "unit": "character", "lies": "never", "cost": "microseconds", "version": "1", "default": True,
}  # fmt: skip
COSTLY = {**CARD, "name": "response_judge", "title": "Judge", "default": False}


def announce(front: Any, *cards: dict[str, Any], expect: int = 204, **headers: str) -> Any:
    body = {"metrics": list(cards)}
    answer = front.client.put("/v1/metrics", json=body, headers={**front.headers, **headers})
    assert answer.status_code == expect, answer.text
    return answer.json() if answer.content else None


def choose(front: Any, on: list[str], off: list[str], expect: int = 200) -> Any:
    body = {"metrics_on": on, "metrics_off": off}
    answer = front.client.put("/v1/settings", json=body, headers=front.headers)
    assert answer.status_code == expect, answer.text
    return answer.json()


def on(front: Any) -> dict[str, bool]:
    return {card["name"]: card["on"] for card in front.get("/v1/metrics")["metrics"]}


def test_before_any_worker_has_spoken_no_name_is_known(front):
    """First in the file: later ones have a worker speak for all projects."""
    assert on(front) == {}
    problem = choose(front, ["response_words"], [], expect=422)
    assert problem["field"] == "metrics_on"
    assert "start one" in problem["message"]


def test_a_worker_says_what_it_computes_and_everybody_can_read_it(front):
    announce(front, CARD, COSTLY)
    found = front.get("/v1/metrics")["metrics"]
    assert [{**card, "on": None} for card in found] == [{**c, "on": None} for c in (CARD, COSTLY)]
    assert on(front) == {"response_length": True, "response_judge": False}


def test_what_the_last_worker_says_replaces_what_the_former_said(front):
    announce(front, CARD, COSTLY)
    announce(front, {**CARD, "version": "2"})
    assert [card["version"] for card in front.get("/v1/metrics")["metrics"]] == ["2"]


def test_a_projects_own_worker_speaks_for_that_project_only(front):
    other = front.for_project("another shop")
    announce(front, CARD)
    announce(other, COSTLY)
    assert set(on(front)) == {"response_length"}
    assert set(on(other)) == {"response_judge"}


def test_a_worker_of_all_projects_speaks_for_those_without_one_of_their_own(front):
    admin = {"Authorization": front.headers["Authorization"]}
    body = {"metrics": [CARD]}
    assert front.client.put("/v1/metrics", json=body, headers=admin).status_code == 204
    assert set(on(front)) == {"response_length"}


def test_a_project_chooses_and_its_leases_carry_the_choice(front, worker, event):
    announce(front, CARD, COSTLY)
    choose(front, ["response_judge"], ["response_length"])
    assert on(front) == {"response_length": False, "response_judge": True}
    front.send(event(output="hello"))
    lease = worker.lease()
    assert (lease["metrics_on"], lease["metrics_off"]) == (["response_judge"], ["response_length"])


def test_an_unknown_name_is_refused_with_its_field_and_what_is_near(front):
    announce(front, CARD, COSTLY)
    problem = choose(front, [], ["respons_length"], expect=422)
    assert problem["field"] == "metrics_off"
    assert "did you mean response_length" in problem["message"]


def test_a_name_that_is_on_and_off_is_refused(front):
    announce(front, CARD)
    problem = choose(front, ["response_length"], ["response_length"], expect=422)
    assert problem["field"] == "metrics_off" and "response_length" in problem["message"]


def test_a_name_chosen_before_may_stay_when_its_worker_is_gone(front):
    announce(front, CARD, COSTLY)
    choose(front, ["response_judge"], [])
    announce(front, CARD)
    assert choose(front, ["response_judge"], ["response_length"])["metrics_on"] == [
        "response_judge"
    ]


def test_two_metrics_of_one_name_and_odd_numbers_are_refused(front):
    problem = announce(front, CARD, CARD, expect=422)
    assert problem["field"] == "metrics.1.name"
    assert announce(front, {**CARD, "name": "Response Length"}, expect=422)["field"].endswith(
        "name"
    )
    assert announce(front, {**CARD, "title": ""}, expect=422)["field"].endswith("title")
    announce(front, expect=422)


def test_a_read_key_may_look_but_not_announce(front):
    body = {"project": front.project_id, "scope": "read"}
    key = front.post("/v1/keys", body)["secret"]
    headers = {"Authorization": f"Bearer {key}"}
    assert front.client.get("/v1/metrics", headers=headers).status_code == 200
    refused = front.client.put("/v1/metrics", json={"metrics": [CARD]}, headers=headers)
    assert refused.status_code == 403
