"""Projects and their keys over HTTP."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from driftline.collector.tables import KeyRow


def remove(front, path):
    return front.client.delete(path, headers=front.headers)


def test_a_project_made_twice_is_the_same_project(front):
    first = front.post("/v1/projects", {"name": "twice"})
    assert front.post("/v1/projects", {"name": " twice "}) == first
    names = [
        p["name"]
        for p in front.client.get("/v1/projects", headers=front.headers).json()["projects"]
    ]
    assert names.count("twice") == 1


def test_many_who_make_the_same_project_at_once_get_the_same_one(front, uuid7):
    body = {"name": f"race {uuid7()}"}
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: front.post("/v1/projects", body)["id"], range(8)))
    assert len(set(made)) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_name_that_cannot_be_one_is_refused_by_field(front, name):
    answer = front.post("/v1/projects", {"name": name}, expect=422)
    assert answer["field"] == "name"


def test_the_secret_is_shown_once_and_never_stored(front):
    made = front.post("/v1/keys", {"project": front.project, "scope": "read", "name": "ci"})
    (listed,) = front.get("/v1/keys")["keys"]
    assert made["secret"].endswith(listed["last4"]) and listed["secret"] == ""
    with front.services.control.reading() as session:
        row = session.get(KeyRow, made["id"])
        assert made["secret"] not in {str(value) for value in vars(row).values()}


def test_a_project_key_sees_its_own_project_and_keys_only(front):
    front.for_project("other")
    made = front.post("/v1/keys", {"project": front.project, "scope": "admin"})
    own = {"Authorization": f"Bearer {made['secret']}"}
    found = front.client.get("/v1/projects", headers=own).json()["projects"]
    assert [project["name"] for project in found] == [front.project]
    refused = front.client.post("/v1/projects", json={"name": "third"}, headers=own)
    assert refused.status_code == 403


def test_a_project_admin_cannot_make_a_key_for_everything_or_for_another(front):
    front.for_project("other")
    made = front.post("/v1/keys", {"project": front.project, "scope": "admin"})
    own = {"Authorization": f"Bearer {made['secret']}"}
    for project in ("other", ""):
        body = {"project": project, "scope": "read"}
        answer = front.client.post("/v1/keys", json=body, headers=own)
        key = answer.json()
        assert answer.status_code == 403 or key["project"] == made["project"]


def test_a_key_of_another_project_is_not_found(front):
    other = front.for_project("other")
    theirs = other.post("/v1/keys", {"project": "other", "scope": "read"})
    mine = front.post("/v1/keys", {"project": front.project, "scope": "admin"})
    own = {"Authorization": f"Bearer {mine['secret']}"}
    assert front.client.delete(f"/v1/keys/{theirs['id']}", headers=own).status_code == 404
    assert remove(front, "/v1/keys/ffffffff").status_code == 404


def test_revoking_twice_keeps_the_first_time(front):
    made = front.post("/v1/keys", {"project": front.project, "scope": "read"})
    first = remove(front, f"/v1/keys/{made['id']}").json()
    assert remove(front, f"/v1/keys/{made['id']}").json() == first
