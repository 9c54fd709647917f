"""Drifting windows open and extend one incident; calm ones, or a person, resolve it."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from driftline.collector import incidents, lease
from driftline.collector.ids import new_id
from driftline.collector.tables import DeliveryRow, ProjectRow, ReferenceRow, WindowRow
from driftline.sdk import records as r

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def signal(name, drifted=True, words="", examples=()):
    return r.SignalResult(
        signal=name,
        method="ks",
        statistic=0.5,
        p_value=0.001,
        adjusted_p_value=0.002,
        effect=0.4,
        effect_unit="D",
        effect_floor=0.1,
        n_reference=60,
        n_current=30,
        reference_summary=5.0,
        current_summary=9.0,
        drifted=drifted,
        words=words or f"{name} rose",
        examples=list(examples),
    )


def result(decision, *signals, summary="Answers got longer."):
    return r.DriftResult("", decision, 0.01, summary, list(signals), [])


class Desk:
    """Hands tested windows of one project to the incidents, each in its own transaction."""

    def __init__(self, front):
        self.front = front
        self.parts = front.services
        self.count = 0
        with self.parts.control.session() as session:
            query = select(ProjectRow).where(ProjectRow.name == front.project)
            self.project = session.scalars(query).one().id
            self.reference = new_id("ref")
            session.add(
                ReferenceRow(
                    id=self.reference,
                    project_id=self.project,
                    name="first",
                    start="",
                    end="",
                    event_ids=[],
                    after="",
                    created_at=NOW,
                )
            )

    def window(self, found, resolve_after=2, finetune="propose", traces=()):
        """The id of the incident that a window with this result belongs to."""
        self.count += 1
        row = WindowRow(
            id=new_id("win"),
            project_id=self.project,
            reference_id=self.reference,
            index=self.count,
            state="leased",
            start="",
            end="",
            event_ids=[],
            alpha=0.01,
            permutations=199,
            seed=1,
            decision="",
            incident_id="",
            created_at=NOW,
            done_at=NOW,
        )
        monitor = r.Monitor(resolve_after=resolve_after, finetune=finetune)
        with self.parts.control.session() as session:
            project = lease.lock_project(session, self.project)
            session.add(row)
            return incidents.after_window(
                self.parts, session, project, monitor, row, found, list(traces)
            )

    def listed(self, **query):
        return self.front.get("/v1/incidents", **query)["incidents"]


@pytest.fixture
def desk(front):
    return Desk(front)


DRIFT = result("drift", signal("response_length"))
STABLE = result("stable", signal("response_length", drifted=False))
UNKNOWN = result("not_enough_data")


def test_a_drifting_window_opens_an_incident_that_says_what_changed(desk, uuid7):
    events = [uuid7(), uuid7()]
    found = result(
        "drift",
        signal("response_length", examples=[events[0], "not an id"]),
        signal("prompt_embedding", examples=events),
        signal("hallucination", drifted=False, examples=[uuid7()]),
    )
    incident_id = desk.window(found, traces=["t1"])
    incident = desk.front.get(f"/v1/incidents/{incident_id}")
    assert (incident["state"], incident["severity"]) == ("open", "warning")
    assert incident["title"] == "Drift in response_length, prompt_embedding"
    assert incident["summary"] == "Answers got longer."
    assert [s["signal"] for s in incident["signals"]] == ["response_length", "prompt_embedding"]
    assert incident["examples"] == events
    assert len(incident["window_ids"]) == 1


def test_a_summary_that_is_missing_is_made_of_the_signals_words(desk):
    found = result("drift", signal("a", words="A rose by 4."), signal("b"), summary="")
    incident_id = desk.window(found)
    assert desk.front.get(f"/v1/incidents/{incident_id}")["summary"] == "A rose by 4. b rose"


def test_a_title_names_three_signals_and_counts_the_rest():
    found = result("drift", *(signal(name) for name in "abcde"))
    assert incidents.title(found) == "Drift in a, b, c (and 2 more)"


def test_the_next_drifting_window_extends_the_open_incident(desk):
    first = desk.window(DRIFT)
    assert desk.window(result("drift", signal("hallucination"))) == first
    (incident,) = desk.listed()
    assert len(incident["window_ids"]) == 2
    assert incident["title"] == "Drift in hallucination"


def test_stable_windows_in_a_row_resolve_and_a_drifting_one_starts_the_count_again(desk):
    first = desk.window(DRIFT)
    for found in (STABLE, DRIFT, STABLE):
        desk.window(found, resolve_after=2)
    assert desk.listed(state="open")[0]["id"] == first
    desk.window(UNKNOWN, resolve_after=2)
    assert desk.listed(state="open")[0]["id"] == first
    assert desk.window(STABLE, resolve_after=2) == ""
    (resolved,) = desk.listed(state="resolved")
    assert resolved["resolved_at"]
    assert desk.window(DRIFT) != first


def test_a_window_that_could_not_be_tested_changes_nothing(desk):
    assert desk.window(UNKNOWN) == ""
    assert desk.listed() == []


def test_a_person_acknowledges_and_the_incident_is_still_extended(desk):
    first = desk.window(DRIFT)
    seen = desk.front.post(f"/v1/incidents/{first}/acknowledge", {"by": "Ada"})
    assert (seen["state"], seen["acknowledged_by"]) == ("acknowledged", "Ada")
    assert desk.window(DRIFT) == first
    assert desk.listed(state="acknowledged")[0]["id"] == first


def test_a_person_resolves_and_doing_it_twice_tells_webhooks_once(desk):
    desk.front.post("/v1/webhooks", {"url": "https://hooks.invalid/x"})
    first = desk.window(DRIFT)
    done = desk.front.post(f"/v1/incidents/{first}/resolve", {"by": "Ada"})
    again = desk.front.post(f"/v1/incidents/{first}/resolve", {"by": "Bob"})
    assert (done["state"], again["acknowledged_by"]) == ("resolved", "Ada")
    assert [d["type"] for d in again["deliveries"]] == ["incident.opened", "incident.resolved"]
    answer = desk.front.post(f"/v1/incidents/{first}/acknowledge", {"by": "Eve"}, expect=409)
    assert answer["code"] == "resolved"


@pytest.mark.parametrize(
    ("policy", "state"), [("off", None), ("propose", "proposed"), ("auto", "queued")]
)
def test_the_monitor_says_whether_an_incident_makes_a_job(desk, policy, state):
    first = desk.window(DRIFT, finetune=policy)
    desk.window(DRIFT, finetune=policy)
    jobs = desk.front.get("/v1/jobs")["jobs"]
    assert [job["state"] for job in jobs] == ([state] if state else [])
    incident = desk.front.get(f"/v1/incidents/{first}")
    assert incident["job_id"] == (jobs[0]["id"] if jobs else "")
    assert all(job["incident_id"] == first for job in jobs)


def test_what_webhooks_are_told_names_traces_and_job_but_holds_no_prompt(desk, uuid7):
    desk.front.post("/v1/webhooks", {"url": "https://hooks.invalid/x"})
    example = uuid7()
    first = desk.window(
        result("drift", signal("response_length", examples=[example])), traces=["trace-1"]
    )
    with desk.parts.control.reading() as session:
        query = select(DeliveryRow.body).where(DeliveryRow.incident_id == first)
        body = orjson.loads(session.scalars(query).one())
    data = body["data"]
    assert (body["type"], data["id"]) == ("incident.opened", first)
    assert (data["example_events"], data["example_traces"]) == ([example], ["trace-1"])
    assert data["job_id"] == desk.front.get(f"/v1/incidents/{first}")["job_id"] != ""
    assert data["project"] == desk.front.project
    assert data["signals"][0]["words"] == "response_length rose"


def test_an_incident_of_another_project_is_not_found(desk, uuid7):
    first = desk.window(DRIFT)
    other = desk.front.for_project(f"other {uuid7()}")
    other.get(f"/v1/incidents/{first}", expect=404)
    other.post(f"/v1/incidents/{first}/resolve", {"by": "Eve"}, expect=404)
    assert other.get("/v1/incidents")["incidents"] == []


def test_a_name_is_needed_to_acknowledge(desk):
    first = desk.window(DRIFT)
    assert (
        desk.front.post(f"/v1/incidents/{first}/resolve", {"by": ""}, expect=422)["field"] == "by"
    )


class IncidentLife(RuleBasedStateMachine):
    """Against a model: any sequence of windows and people keeps at most one incident open."""

    desk: Desk

    def __init__(self):
        super().__init__()
        front = type(self).desk.front
        self.desk = Desk(front.for_project(f"life {new_id('x')}"))
        self.open, self.calm, self.opened = None, 0, 0

    @rule()
    def drifts(self):
        found = self.desk.window(DRIFT, finetune="off")
        assert (found == self.open) == (self.open is not None)
        self.opened += self.open is None
        self.open, self.calm = found, 0

    @rule(resolve_after=st.integers(1, 4))
    def stays_calm(self, resolve_after):
        assert self.desk.window(STABLE, resolve_after, finetune="off") == ""
        if self.open:
            self.calm += 1
            if self.calm >= resolve_after:
                self.open, self.calm = None, 0

    @rule()
    def cannot_say(self):
        assert self.desk.window(UNKNOWN, finetune="off") == ""

    @rule(act=st.sampled_from(["acknowledge", "resolve"]))
    def person(self, act):
        if self.open:
            self.desk.front.post(f"/v1/incidents/{self.open}/{act}", {"by": "Ada"})
            if act == "resolve":
                self.open, self.calm = None, 0

    @invariant()
    def at_most_one_is_open(self):
        listed = self.desk.listed()
        assert len(listed) == self.opened
        assert [i["id"] for i in listed if i["state"] != "resolved"] == (
            [self.open] if self.open else []
        )


def test_no_sequence_of_windows_and_people_opens_two_incidents_at_once(desk):
    machine = type("Life", (IncidentLife,), {"desk": desk})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=10, stateful_step_count=15, deadline=None)
    )
