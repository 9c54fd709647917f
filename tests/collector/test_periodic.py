"""What a collector does by itself, and which of several collectors does it."""

import threading

import pytest
from prometheus_client import generate_latest

from driftline.collector import watch
from driftline.collector.periodic import DUTY_SECONDS, Duty, Periodic
from driftline.collector.tables import DutyRow, LeaseRow


def failures(front, step):
    value = front.services.meters.registry.get_sample_value(
        "driftline_periodic_failures_total", {"step": step}
    )
    return value or 0.0


def duty(front, name, *steps):
    return Duty(front.services, name, steps, 1.0)


def test_of_two_collectors_one_does_the_duty(front, uuid7):
    name, done = uuid7(), []
    first = duty(front, name, ("note", lambda: done.append(1)))
    second = duty(front, name, ("note", lambda: done.append(2)))
    assert [first.tick(), second.tick(), first.tick()] == [True, False, True]
    assert done == [1, 1]


def test_another_takes_over_when_the_holder_dies(front, uuid7, clock):
    name = uuid7()
    first, second = duty(front, name), duty(front, name)
    assert first.tick() and not second.tick()
    clock.advance(seconds=DUTY_SECONDS)
    assert second.tick() and not first.tick()


def test_a_clean_stop_hands_the_duty_over_at_once(front, uuid7):
    name = uuid7()
    first, second = duty(front, name), duty(front, name)
    assert first.tick()
    first.close()
    assert second.tick()


def test_a_step_that_fails_is_counted_and_the_others_go_on(front, uuid7):
    name, done = uuid7(), []

    def fail():
        raise RuntimeError("this step is broken")

    assert duty(front, name, (name, fail), ("after", lambda: done.append(1))).tick()
    assert (failures(front, name), done) == (1.0, [1])
    assert name in generate_latest(front.services.meters.registry).decode()


def test_failures_are_shown_to_prometheus(front):
    assert "driftline_periodic_failures" in front.client.get("/metrics").text


def test_one_projects_trouble_is_not_the_next_ones(front, uuid7, monkeypatch, eventually):
    bad, before = front, failures(front, "plan_windows")
    front.for_project(f"good {uuid7()}")
    projects = {p["name"]: p["id"] for p in front.get("/v1/projects")["projects"]}
    seen, plan = set(), watch.plan

    def plan_unless_bad(parts, project):
        if project == projects[bad.project]:
            raise RuntimeError("this project is broken")
        seen.add(project)
        return plan(parts, project)

    monkeypatch.setattr(watch, "plan", plan_unless_bad)
    eventually(lambda: failures(front, "plan_windows") > before)
    eventually(lambda: seen >= set(projects.values()) - {projects[bad.project]})


def test_closing_finishes_the_step_in_hand(front, uuid7, eventually):
    entered, go_on, done = threading.Event(), threading.Event(), []

    def step():
        entered.set()
        go_on.wait(30)
        done.append(1)

    running = Duty(front.services, uuid7(), (("step", step),), 0.01)
    running.start()
    assert entered.wait(30)
    closing = threading.Thread(target=running.close)
    closing.start()
    go_on.set()
    closing.join(30)
    assert not closing.is_alive() and done == [1]


def expires_at(front, lease):
    with front.services.control.reading() as session:
        return session.get(LeaseRow, lease["id"]).expires_at


def on_duty(front):
    with front.services.control.reading() as session:
        return session.get(DutyRow, "watch") is not None


@pytest.mark.parametrize("clickhouse_url", ["server"], indirect=True)
def test_leases_are_not_extended_while_another_collector_watches(front, event, worker, eventually):
    front.send(event())
    lease = worker.lease(lease_seconds=5)
    eventually(lambda: on_duty(front))
    before = expires_at(front, lease)
    second = Periodic(front.services)
    second.start()
    second.close()
    assert expires_at(front, lease) == before
