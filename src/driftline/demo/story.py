"""The story of the demo: real traffic, a silent change, and what Driftline makes of it.

Every sentence it prints is read back from the collector's API. `tell` decides one named check after
the other and ends early when one fails that the rest depends on.
"""

from __future__ import annotations

import datetime as dt
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import driftline
from driftline.sdk.api import Api
from driftline.sdk.records import DriftWindow, Incident, Job, JobSpec, Monitor

from .audit import audit
from .checks import Checklist, Untrue
from .recording import Planned, demo_recordings, plan
from .replay import Undelivered, send
from .stage import Stage

PROJECT = "support-assistant"
CONTROL_PROJECT = "support-assistant-control"
SPREAD_SECONDS = 3 * 86_400.0
REFERENCE_EVENTS, WINDOW_EVENTS = 120, 60
# Longest times without progress, for a slow and busy machine.
SCORING_SECONDS = 300.0
DRIFT_SECONDS = 300.0
DELIVERY_SECONDS = 60.0
JOB_SECONDS = 300.0
FINISHED = frozenset({"promoted", "rejected", "failed", "cancelled"})
JOB = JobSpec(  # small: about two minutes with its gate on two free cores (docs/finetune.md)
    batch_size=2,
    max_steps=7,
    pilot_steps=2,
    pilot_rows=8,
    max_length=224,
    max_rows=120,
    test_rows=12,
    patience=2,
)
PAGES = ("", "_stcore/health")
FORGED = (
    b'{"type": "incident.opened", "timestamp": "2026-01-01T00:00:00Z", "data": {"id": "forged"}}'
)


@dataclass(frozen=True, slots=True)
class Told:
    """What came out: the project's client, and what was replayed."""

    api: Api
    planned: list[Planned]


def tell(stage: Stage, checklist: Checklist, *, change: bool) -> Told:
    """The whole story, or its control without the change. Checks go to `checklist`."""
    return _told(_story(stage, checklist, PROJECT, change=change), change=change)


def tell_control(stage: Stage, checklist: Checklist) -> Told:
    """The control beside the story: the same replay without the change, in its own project."""
    return _told(_story(stage, checklist, CONTROL_PROJECT, change=False), change=False)


def _told(story: _Story, *, change: bool) -> Told:
    try:
        story.set_up()
        story.baseline()
        if change:
            story.change()
        else:
            story.no_change()
        story.pages()
        story.books()
    except (Untrue, Undelivered) as error:
        story.terminal.say(f"  the story ends here: {error}", "red")
    finally:
        driftline.shutdown()
    return Told(story.api, story.planned)


def _story(stage: Stage, checklist: Checklist, project: str, *, change: bool) -> _Story:
    now = dt.datetime.now(dt.UTC)
    run = f"{project} {now.isoformat()}"
    planned = plan(demo_recordings(change), run, now, SPREAD_SECONDS)
    return _Story(stage, checklist, project, planned)


class _Story:
    def __init__(
        self, stage: Stage, checklist: Checklist, project: str, planned: list[Planned]
    ) -> None:
        self._stage = stage
        self._checklist = checklist
        self._project = project
        self.terminal = checklist.terminal
        self.api = stage.admin.for_project(project)
        self.planned = planned
        self._begin = (planned[0].start - dt.timedelta(hours=1)).isoformat()

    # -------------------------------------------------------------- chapters

    def set_up(self) -> None:
        """Project, key, webhook, monitor."""
        with self._checklist.chapter("A project, a key, a webhook"):
            self._stage.admin.create_project(self._project)
            key = self.api.create_key("ingest", "the app")
            receiver = self._stage.receiver
            receiver.trust(self._project, self.api.create_webhook(receiver.url).secret)
            monitor = Monitor(
                reference_events=REFERENCE_EVENTS,
                window_events=WINDOW_EVENTS,
                finetune="auto",
                job=JOB,
            )
            self.api.set_monitor(monitor)
            driftline.init(
                url=self.api.url,
                api_key=key.secret,
                project=self._project,
                sample_rate=1.0,
                enabled=True,
            )
            self.terminal.say(f"  project {self._project}, key sk-dl-…{key.last4}, {receiver.url}")
            status = _post_forged(receiver.url)
            self._checklist.check("a forged webhook is refused", status == 401, f"HTTP {status}")

    def baseline(self) -> None:
        """Last week: llama-2-70b answers. The reference, and one window like it."""
        with self._checklist.chapter("Ordinary days: llama-2-70b answers behind the app"):
            self._replay("baseline", "calm")
            self._score(REFERENCE_EVENTS + WINDOW_EVENTS)
            window = self._window(0)
            words = f"window 1: {window.result.decision}. {window.result.summary}"
            self._checklist.require(
                "ordinary traffic is stable", window.result.decision == "stable", words
            )
            incidents = self.api.incidents()
            self._checklist.require(
                "no incident before the change", not incidents, f"{len(incidents)} incidents"
            )

    def no_change(self) -> None:
        """The control: more of the same opens nothing."""
        with self._checklist.chapter("The control: the same app, nothing changed"):
            self._replay("control")
            self._score(len(self.planned))
            window = self._window(1)
            words = f"window 2: {window.result.decision}. {window.result.summary}"
            self._checklist.check("still stable", window.result.decision == "stable", words)
            incidents, jobs = self.api.incidents(), self.api.jobs()
            heard = [n for n in self._stage.receiver.notices if n.sender == self._project]
            quiet = not incidents and not jobs and not heard
            seen = f"{len(incidents)} incidents, {len(jobs)} jobs, {len(heard)} webhooks"
            self._checklist.check("no incident at all", quiet, seen)

    def change(self) -> None:
        """The silent downgrade, and all that follows from it."""
        title = "The silent change: llama-2-7b under the same name, and people ask about cooking"
        with self._checklist.chapter(title):
            self._replay("changed")
            self._score(len(self.planned))
            window = self._window(1)
            words = f"window 2: {window.result.decision}. {window.result.summary}"
            self._checklist.require(
                "the change is noticed", window.result.decision == "drift", words
            )
        with self._checklist.chapter("The incident"):
            incident = self._incident()
            self._webhook(incident)
        with self._checklist.chapter(
            "The answer: fine-tune on what was good, and judge the result"
        ):
            self._job(incident)

    def pages(self) -> None:
        with self._checklist.chapter("The dashboard"):
            url = self._stage.dashboard_url
            statuses = [_status(f"{url}/{page}") for page in PAGES]
            seen = f"{url} ({', '.join(map(str, statuses))})"
            self._checklist.check("the dashboard answers", set(statuses) == {200}, seen)

    def books(self) -> None:
        with self._checklist.chapter("The books"):
            found = audit(self.api, self.planned)
            for line in found.lines:
                self.terminal.say(f"  {line}")
            self._checklist.check("stored and scored once", found.balanced, found.words)

    # ----------------------------------------------------------------- steps

    def _replay(self, *phases: str) -> None:
        events = [event for event in self.planned if event.recording.phase in phases]
        with self.terminal.bar("replayed", len(events)) as bar:
            send(events, self._checklist.stop, bar.to)

    def _score(self, expected: int) -> None:
        scored = 0
        with self.terminal.bar("scored", expected) as bar:

            def look() -> bool | None:
                nonlocal scored
                overview = self.api.overview(start=self._begin)
                scored = overview.scored
                bar.to(scored, f"{overview.pending} to go")
                return True if scored >= expected else None

            self._checklist.wait("every event is scored", SCORING_SECONDS, look, lambda: scored)
        overview = self.api.overview(start=self._begin)
        failed = overview.failed_scoring
        seen = f"{overview.events} events stored, {overview.scored} scored, {failed} failed"
        good = overview.events == overview.scored == expected and not failed
        self._checklist.require(f"{expected} events stored and scored", good, seen)

    def _window(self, index: int) -> DriftWindow:
        """The window `index`, once it is tested."""

        def look() -> DriftWindow | None:
            windows = sorted(self.api.drift_windows(), key=lambda w: w.index)
            return windows[index] if len(windows) > index else None

        window = self._checklist.wait("the window is tested", DRIFT_SECONDS, look)
        for signal in window.result.signals:
            if signal.drifted:
                self.terminal.say(f"  {signal.signal}: {signal.words}", "yellow")
        return window

    def _incident(self) -> Incident:
        def look() -> Incident | None:
            return next(iter(self.api.incidents(state="open")), None)

        incident = self._checklist.wait("an incident opens", DELIVERY_SECONDS, look)
        self.terminal.say(f"  {incident.title}", "bold yellow")
        self.terminal.say(f"  {incident.summary}")
        self.terminal.say(f"  examples: {', '.join(incident.examples[:3])}")
        told = bool(incident.title and incident.summary and incident.examples)
        seen = f"{incident.id}, {len(incident.signals)} signals, {len(incident.examples)} examples"
        self._checklist.check("an incident opens and says what changed", told, seen)
        return incident

    def _webhook(self, incident: Incident) -> None:
        receiver = self._stage.receiver

        def look() -> str | None:
            opened = (n for n in receiver.notices if n.type == "incident.opened")
            return next((n.incident_id for n in opened), None)

        heard = self._checklist.wait("the webhook arrives", DELIVERY_SECONDS, look)
        delivered = self._checklist.wait(
            "the delivery is noted", DELIVERY_SECONDS, lambda: _delivered(self.api, incident.id)
        )
        seen = f"incident.opened for {heard}, signature verified, delivery {delivered}"
        self._checklist.check("a signed webhook arrives", heard == incident.id, seen)

    def _job(self, incident: Incident) -> None:
        job_id = self._checklist.wait(
            "the incident starts a job",
            DELIVERY_SECONDS,
            lambda: self.api.incident(incident.id).job_id or None,
        )
        job = self._follow(job_id)
        gate = job.gate
        words = f"{gate.verdict}: {gate.summary}" if gate else f"{job.state}: {job.error}"
        self._checklist.require("the gate gives a verdict", gate is not None, words)
        for check in gate.checks if gate else []:
            mark = "passed" if check.passed else "failed"
            self.terminal.say(f"    {mark}  {check.name}: {check.words}")
        models = [m for m in self.api.models() if m.job_id == job.id]
        stored = bool(models) and _adapter_exists(models[0].uri)
        seen = f"{models[0].name} v{models[0].version} in {models[0].uri}" if models else "none"
        self._checklist.check("the adapter is in the registry", stored, seen)

    def _follow(self, job_id: str) -> Job:
        """Its progress, until it ends."""
        steps = JOB.pilot_steps + JOB.max_steps
        said, progress = "", (0, "")
        with self.terminal.bar("training steps", steps) as bar:

            def look() -> Job | None:
                nonlocal said, progress
                job = self.api.job(job_id)
                progress = (len(job.losses), job.updated_at)
                bar.to(min(steps, _steps(job)), _loss(job))
                words = f"  {job.state.replace('_', ' ')}: {job.message}"
                if words != said:
                    said = words
                    self.terminal.say(words)
                return job if job.state in FINISHED else None

            return self._checklist.wait("the job ends", JOB_SECONDS, look, lambda: progress)


def _steps(job: Job) -> int:
    return len({(p.phase, p.step) for p in job.losses if p.split == "train"})


def _loss(job: Job) -> str:
    return f"{job.losses[-1].split} loss {job.losses[-1].loss:.3f}" if job.losses else ""


def _delivered(api: Api, incident_id: str) -> str | None:
    deliveries = api.incident(incident_id).deliveries
    return next((d.id for d in deliveries if d.state == "delivered"), None)


def _adapter_exists(uri: str) -> bool:
    folder = Path(url2pathname(urlsplit(uri).path))
    return all((folder / name).is_file() for name in ("adapter_model.safetensors", "manifest.json"))


def _post_forged(url: str) -> int:
    headers = {
        "webhook-id": "msg_forged",
        "webhook-timestamp": str(int(dt.datetime.now(dt.UTC).timestamp())),
        "webhook-signature": "v1,Zm9yZ2Vk",
    }
    return _status(urllib.request.Request(url, FORGED, headers))


def _status(request: str | urllib.request.Request) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0
