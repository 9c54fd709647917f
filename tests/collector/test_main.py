"""The collector as a process: start, refusals, a clean stop, and death at any moment."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import orjson
import pytest

from driftline.collector.clickhouse import ClickHouse

KEY = "sk-dl-00000000-an-admin-key-of-the-tests-only"


class Process:
    """`python -m driftline.collector` on a free port, over a directory."""

    def __init__(self, home, eventually, port=0, **environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port or free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._eventually = eventually
        settings = {"HOME": str(home), "PORT": str(self.port), "ADMIN_KEY": KEY, **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "driftline.collector"],
            env={**os.environ, **{f"DRIFTLINE_{k}": v for k, v in settings.items()}},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.log += line

    def ready(self):
        self._eventually(self._is_ready, 120)
        return self

    def _is_ready(self):
        assert self.process.poll() is None, self.log
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, number):
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        code = self.process.wait(120)
        self._reader.join(10)
        self.process.stderr.close()
        return code

    def request(self, method, path, **more):
        headers = {"Authorization": f"Bearer {KEY}", "Driftline-Project": "shop"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def make_project(self):
        headers = {"Authorization": f"Bearer {KEY}"}
        made = httpx.post(f"{self.url}/v1/projects", json={"name": "shop"}, headers=headers)
        assert made.status_code == 200, made.text
        return self


@pytest.fixture
def start(tmp_path, eventually):
    """Starts collectors over one directory; all are dead at the end."""
    processes = []

    def started(home=tmp_path / "home", **more):
        processes.append(Process(home, eventually, **more))
        return processes[-1]

    yield started
    for process in processes:
        if process.process.poll() is None:
            process.stop(signal.SIGKILL)


def test_a_taken_port_is_a_clear_error(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(port=taken.getsockname()[1])
        assert process.wait() == 2
    assert "DRIFTLINE_PORT" in process.log
    assert "Traceback" not in process.log
    assert not (tmp_path / "home").exists()


def test_a_directory_in_use_is_a_clear_error_and_the_holder_lives_on(start):
    first = start().ready()
    second = start()
    assert second.wait() == 2
    assert f"process {first.process.pid}" in second.log
    assert "Traceback" not in second.log
    assert httpx.get(f"{first.url}/readyz").status_code == 200


def test_a_wrong_setting_is_a_clear_error(start):
    process = start(QUEUE_ROWS="many")
    assert process.wait() == 2
    assert "DRIFTLINE_QUEUE_ROWS" in process.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_drains_and_ends_well(start, event, number):
    process = start().ready().make_project()
    line = event(output="sk-secret-payload")
    sent = process.request("POST", "/v1/events?token=sk-secret-query", content=orjson.dumps(line))
    assert sent.json()["accepted"] == 1
    assert process.stop(number) == 0, process.log
    assert "sk-secret" not in process.log
    again = start().ready()
    assert again.request("GET", f"/v1/events/{line['id']}").json()["id"] == line["id"]


class Sender:
    """Sends batches for ever, one after the other, and again until each is acknowledged."""

    def __init__(self, event, number):
        self.event = event
        self.number = number
        self.acknowledged = []
        self.url = ""
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        for batch in itertools.count():
            lines = [
                self.event(usage={"input": 1}, name=f"{self.number}-{batch}") for _ in range(20)
            ]
            body = b"\n".join(orjson.dumps(line) for line in lines)
            while not self.send(body):
                if self.done.wait(0.02):
                    return
            self.acknowledged += [line["id"] for line in lines]
            if self.done.is_set():
                return

    def send(self, body):
        headers = {"Authorization": f"Bearer {KEY}", "Driftline-Project": "shop"}
        try:
            answer = httpx.post(f"{self.url}/v1/events", content=body, headers=headers, timeout=30)
        except httpx.TransportError:
            return False
        return answer.status_code == 200


def test_kill_9_loses_nothing_acknowledged_and_stores_nothing_twice(
    start, event, eventually, tmp_path
):
    process = start().ready().make_project()
    senders = [Sender(event, number) for number in range(3)]
    for sender in senders:
        sender.url = process.url
        sender.thread.start()
    for wanted in (60, 200, 400):
        eventually(lambda wanted=wanted: acknowledged(senders) >= wanted, 120)
        process.stop(signal.SIGKILL)
        process = start(port=process.port).ready()
    for sender in senders:
        sender.done.set()
        sender.thread.join(60)
    ids = [event_id for sender in senders for event_id in sender.acknowledged]
    stored = stored_ids(process)
    assert set(ids) <= set(stored)
    overview = process.request("GET", "/v1/overview").json()
    assert overview["events"] == overview["accepted_total"] == len(stored)
    assert overview["input_tokens"] == len(stored)
    assert sum(bucket["events"] for bucket in overview["series"]) == len(stored)
    assert process.stop(signal.SIGTERM) == 0, process.log
    assert rows_and_ids(tmp_path / "home" / "clickhouse") == (len(stored), len(stored))


def rows_and_ids(directory):
    """How many rows there are, copies included, and how many ids."""
    clickhouse = ClickHouse.open(f"chdb://{directory}")
    (found,) = clickhouse.query("SELECT count(), uniqExact(id) FROM events")
    clickhouse.close()
    return found


def acknowledged(senders):
    return sum(len(sender.acknowledged) for sender in senders)


def stored_ids(process):
    ids, cursor = [], ""
    while True:
        query = {"limit": 1000, "cursor": cursor}
        page = process.request("GET", "/v1/events", params=query).json()
        ids += [row["id"] for row in page["rows"]]
        cursor = page["next_cursor"]
        if not cursor:
            return ids
