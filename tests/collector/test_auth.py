"""Who is calling, and may they?"""

from urllib.parse import quote

import pytest

from driftline.collector import keys
from driftline.collector.auth import CACHE_SECONDS, KeyRing
from driftline.collector.problem import Problem


def ask(client, key, path="/v1/events", project="", method="GET", **kwargs):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if project:
        headers["Driftline-Project"] = quote(project)
    return client.request(method, path, headers=headers, **kwargs)


def key_of(front, scope, project=None):
    """A new key of the project, or of all of them when it is ""."""
    project = front.project if project is None else project
    headers = {"Authorization": front.headers["Authorization"]}
    if project:
        headers["Driftline-Project"] = project
    made = front.client.post("/v1/keys", json={"project": project, "scope": scope}, headers=headers)
    assert made.status_code == 200, made.text
    return made.json()


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "sk-dl-1-2"])
def test_a_request_without_a_bearer_key_is_told_how_to_send_one(client, header):
    answer = client.get("/v1/events", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "no_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["message"]


def test_a_wrong_key_is_refused_even_with_the_id_of_a_real_one(front):
    real = key_of(front, "read")
    for wrong in ("nonsense", keys.mint().text, f"sk-dl-{real['id']}-{'x' * 32}"):
        answer = ask(front.client, wrong, project=front.project)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_key")
        assert wrong not in answer.text


@pytest.mark.parametrize(
    ("scope", "reads", "works", "ingests", "governs"),
    [
        ("read", 200, 403, 403, 403),
        ("work", 200, 204, 403, 403),
        ("ingest", 403, 403, 200, 403),
        ("admin", 200, 204, 200, 200),
    ],
)
def test_a_key_may_do_what_its_scope_includes_and_nothing_else(
    front, event, scope, reads, works, ingests, governs
):
    key, client = key_of(front, scope)["secret"], front.client
    monitor = front.get("/v1/monitor")
    asked = [
        ask(client, key, "/v1/jobs"),
        ask(client, key, "/v1/work/lease", method="POST", json={"worker": "w"}),
        ask(client, key, "/v1/events", method="POST", json=event()),
        ask(client, key, "/v1/monitor", method="PUT", json=monitor),
    ]
    assert [answer.status_code for answer in asked] == [reads, works, ingests, governs]


def test_a_project_key_needs_no_header_and_refuses_another_project(front):
    front.for_project("other")
    key = key_of(front, "read")["secret"]
    assert ask(front.client, key).status_code == 200
    assert ask(front.client, key, project=front.project).status_code == 200
    for stranger in ("other", "no such project"):
        assert ask(front.client, key, project=stranger).status_code == 403


def test_a_service_key_names_the_project_percent_encoded(front):
    front.for_project("süß & scharf")
    key = key_of(front, "read", project="")["secret"]
    assert ask(front.client, key, project="süß & scharf").status_code == 200
    missing = ask(front.client, key)
    assert (missing.status_code, missing.json()["field"]) == (400, "Driftline-Project")
    unknown = ask(front.client, key, project="nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no_project")


def test_a_project_is_found_by_its_id_too_and_its_name_wins(front):
    (shop,) = [p for p in front.get("/v1/projects")["projects"] if p["name"] == front.project]
    impostor = front.for_project(shop["id"])
    assert impostor.post("/v1/webhooks", {"url": "https://1.1.1.1/"}) != {}
    key = key_of(front, "read")["secret"]
    assert ask(front.client, key, "/v1/webhooks").json() == {"webhooks": []}


def test_a_revoked_key_is_refused_at_once(front):
    made = key_of(front, "read")
    assert ask(front.client, made["secret"]).status_code == 200
    revoked = front.client.delete(f"/v1/keys/{made['id']}", headers=front.headers).json()
    assert revoked["revoked_at"]
    assert ask(front.client, made["secret"]).status_code == 401


def test_another_collectors_revocation_is_honoured_within_seconds(front):
    """Two key rings over one control database are two collectors."""
    made, now = key_of(front, "read"), [0.0]
    other = KeyRing(front.services.control, "sk-dl-admin", lambda: now[0])
    assert other.caller(made["secret"], "").scope == "read"
    front.client.delete(f"/v1/keys/{made['id']}", headers=front.headers)
    assert other.caller(made["secret"], "").scope == "read"
    now[0] = CACHE_SECONDS
    with pytest.raises(Problem) as refused:
        other.caller(made["secret"], "")
    assert refused.value.status == 401


def test_a_service_key_that_names_no_project_may_lease_work_of_all(front, event):
    front.send(event())
    key = key_of(front, "work", project="")["secret"]
    lease = ask(front.client, key, "/v1/work/lease", method="POST", json={"worker": "w"}).json()
    assert len(lease["events"]) == 1
