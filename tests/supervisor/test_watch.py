"""The supervisor: starts, restarts and stops real processes."""

import io
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from driftline.supervisor.child import Service, ServiceFailed
from driftline.supervisor.ports import PortTaken
from driftline.supervisor.watch import Restart, Stopped, Supervisor

WebServer = Callable[[str], Service]
Script = Callable[..., Service]
Until = Callable[[Callable[[], bool]], None]


def started(supervisor: Supervisor, service: Service) -> None:
    supervisor.await_health(supervisor.launch(service))


def test_a_started_service_answers_its_health_page(
    supervisor: Supervisor, web_server: WebServer
) -> None:
    started(supervisor, web_server("collector"))
    assert supervisor.child("collector").probe() == ""
    assert supervisor.child("collector").exit_code is None


def test_what_a_service_prints_is_in_its_log_and_not_on_the_screen(
    supervisor: Supervisor, web_server: WebServer, screen: io.StringIO, tmp_path: Path, until: Until
) -> None:
    started(supervisor, web_server("collector"))
    log = tmp_path / "logs" / "collector.log"
    until(lambda: log.exists() and "GET /" in log.read_text())
    assert "GET /" not in screen.getvalue()


def test_a_structured_error_is_shown_without_its_stack(
    supervisor: Supervisor, script: Script, screen: io.StringIO, until: Until
) -> None:
    line = '{"level": "error", "event": "lease refused", "status": 403, "exception": "Traceback"}'
    supervisor.launch(script(f"import time; print({line!r}); time.sleep(99)"))
    until(lambda: "lease refused status=403" in screen.getvalue())
    assert "Traceback" not in screen.getvalue()


def test_a_killed_service_is_started_again_and_that_is_said(
    supervisor: Supervisor, web_server: WebServer, screen: io.StringIO, until: Until
) -> None:
    started(supervisor, web_server("worker"))
    child = supervisor.child("worker")
    before = child.pid
    with supervisor.watching():
        os.kill(before, signal.SIGKILL)
        until(lambda: child.pid != before and child.probe() == "")
    assert "worker ended with signal SIGKILL; starting it again in 1 s" in screen.getvalue()


def test_services_stop_in_reverse_with_the_first_one_last(
    supervisor: Supervisor, tmp_path: Path, script: Script, until: Until
) -> None:
    record = tmp_path / "order"
    source = """
import signal, sys, time
def leave(number, frame):
    with open({record!r}, "a") as file:
        file.write({name!r} + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("waiting")
while True:
    signal.pause()
"""
    for name in ("collector", "worker", "dashboard"):
        supervisor.launch(script(source.format(record=str(record), name=name)))
    until(lambda: all("waiting" in child.tail for child in supervisor.children))
    supervisor.stop()
    assert record.read_text().split()[-1] == "collector"
    assert sorted(record.read_text().split()) == ["collector", "dashboard", "worker"]


def test_a_service_that_dies_at_its_start_says_why(supervisor: Supervisor, script: Script) -> None:
    child = supervisor.launch(script("raise SystemExit('no such database')"))
    with pytest.raises(ServiceFailed, match=r"(?s)exit status 1 while starting.*no such database"):
        supervisor.await_health(child)


def test_a_service_that_never_answers_is_given_up(supervisor: Supervisor, script: Script) -> None:
    child = supervisor.launch(script("import signal; signal.pause()", start_seconds=0.3))
    with pytest.raises(ServiceFailed, match=r"script was not healthy after 0 s .*refused"):
        supervisor.await_health(child)


def test_a_stop_while_starting_ends_the_wait(
    supervisor: Supervisor, script: Script, stop: threading.Event
) -> None:
    child = supervisor.launch(script("import signal; signal.pause()"))
    stop.set()
    with pytest.raises(Stopped):
        supervisor.await_health(child)


def test_a_taken_port_names_its_holder_and_the_option(
    supervisor: Supervisor, web_server: WebServer
) -> None:
    service = web_server("collector")
    with socket.create_server(("127.0.0.1", service.port)), pytest.raises(PortTaken) as caught:
        supervisor.launch(service)
    message = str(caught.value)
    assert f"port {service.port} (collector) is in use by process {os.getpid()}" in message
    assert f"--port {service.port + 100}" in message
    assert supervisor.children == []


def test_restarts_come_later_and_later_until_a_steady_minute() -> None:
    now = 0.0
    restart = Restart(lambda: now)
    waits = []
    for _ in range(7):
        waits.append(restart.crashed())
        restart.spawned()
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    now = 61.0
    assert restart.crashed() == 1
