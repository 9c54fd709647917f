"""One job, from traffic to a registered adapter: five stages, each resumable.

    prepare_data → pilot → train → evaluate → register

A stage writes its result into the job's directory before the next begins. A job that was killed is
leased again and starts at the first stage without a result; training starts at its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from driftline.metrics.cores import Cores
from driftline.metrics.models import ResolvedModel
from driftline.sdk.api import Api
from driftline.sdk.records import DatasetReport, GateReport, Job, ModelVersion, encode

from . import dataset as curation
from .batches import tokenize
from .candidate import Candidate, load_candidate
from .dataset import Dataset
from .folder import JobFolder
from .gate import Gate, Judgement
from .lineage import manifest_of
from .pilot import Pilot, run_pilot
from .progress import Progress
from .prompt import Renderer
from .registry import register
from .spec import check_spec
from .telemetry import Telemetry
from .train import Outcome, TrainingRun

Resolve = Callable[[str], ResolvedModel]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every job of this process uses. `clock` is monotonic seconds, `now` RFC 3339 in UTC."""

    api: Api
    resolve: Resolve
    device: str
    jobs: Path
    registry: Path
    cores: Cores
    telemetry: Telemetry
    clock: Callable[[], float]
    now: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Result:
    """What `finish_job` is told."""

    gate: GateReport
    model: ModelVersion


class JobRun:
    """One attempt at one job. Raises FinetuneError when it fails, Interrupted when it stops."""

    def __init__(self, job: Job, shop: Workshop, progress: Progress) -> None:
        check_spec(job.spec)
        self._job = job
        self._spec = job.spec
        self._shop = shop
        self._progress = progress
        self._folder = JobFolder(shop.jobs, job.id)
        progress.stage("preparing_data", f"loading the base model {job.spec.base}")
        self._base = shop.resolve(job.spec.base)
        self._candidate = load_candidate(self._base.path, job.spec.rank, job.spec.seed, shop.device)
        self._renderer = Renderer(self._candidate.tokenizer, job.spec.max_length)

    @property
    def candidate(self) -> Candidate:
        return self._candidate

    def run(self) -> Result:
        data = self.prepare_data()
        pilot = self.pilot(data)
        outcome = self.train(data, pilot)
        judgement = self.evaluate(data, outcome)
        return Result(judgement.report, self.register(data, pilot, outcome, judgement))

    def prepare_data(self) -> Dataset:
        """Curate the dataset, from the events up to the job's first start."""
        self._progress.stage("preparing_data", "reading the traffic")
        data = self._folder.dataset() or self._curate()
        self._progress.stage("preparing_data", curation.describe(data.report), data.report)
        return data

    def pilot(self, data: Dataset) -> Pilot:
        rows = len(data.splits["train"][: self._spec.pilot_rows])
        self._progress.stage("pilot", f"pilot on {rows} rows")
        found = self._folder.read(Pilot)
        result = found or run_pilot(
            self._candidate,
            tokenize(data.splits["train"], self._candidate.tokenizer),
            self._spec,
            self._progress.loss,
            self._between_steps,
            self._shop.clock,
        )
        self._folder.write(result)
        return result

    def train(self, data: Dataset, pilot: Pilot) -> Outcome:
        self._progress.stage("training", pilot.words)
        tokens = {
            split: tokenize(rows, self._candidate.tokenizer) for split, rows in data.splits.items()
        }
        run = TrainingRun(
            self._candidate,
            tokens["train"],
            tokens["validation"],
            self._spec,
            self._folder.path,
            self._key(data.report),
            report=self._progress.loss,
            check=self._between_steps,
            clock=self._shop.clock,
        )
        if run.resumed_at:
            self._progress.stage("training", f"resumed at step {run.resumed_at}; {pilot.words}")
        return run.run()

    def evaluate(self, data: Dataset, outcome: Outcome) -> Judgement:
        self._progress.stage("evaluating", outcome.words)
        found = self._folder.read(Judgement)
        if found:
            return found
        judgement = Gate(
            self._candidate,
            self._renderer,
            data.splits["test"],
            [row.completion for row in data.splits["train"]],
            batch_size=self._spec.batch_size,
            seed=self._spec.seed,
            check=self._between_steps,
        ).judge()
        self._folder.write(judgement)
        return judgement

    def register(
        self, data: Dataset, pilot: Pilot, outcome: Outcome, judgement: Judgement
    ) -> ModelVersion:
        self._progress.stage("evaluating", judgement.report.summary)
        manifest = manifest_of(
            self._job,
            self._base,
            data,
            pilot,
            outcome,
            judgement,
            project=self._project_name(),
            chat_template=str(self._candidate.tokenizer.chat_template),
            until=self._folder.until(self._shop.now),
            created_at=self._shop.now(),
        )
        return register(
            self._shop.registry,
            manifest,
            lambda directory: self._candidate.save_adapter(directory, judgement.strength),
        )

    def _between_steps(self) -> None:
        """Raises Interrupted when the job is not to go on; follows the machine's load."""
        self._progress.check()
        self._shop.cores.adjust()

    def _curate(self) -> Dataset:
        api = self._shop.api.for_project(self._job.project)
        until = self._folder.until(self._shop.now)
        rows = curation.traffic(api, self._spec, until)
        data = curation.build(rows, api.event_bodies, self._spec, self._renderer)
        self._folder.keep(data)
        return data

    def _project_name(self) -> str:
        """Jobs name their project by its id; people find adapters by its name."""
        names = {project.id: project.name for project in self._shop.api.projects()}
        return names.get(self._job.project, self._job.project)

    def _key(self, report: DatasetReport) -> str:
        """Names what is trained on what: a checkpoint of another key is not continued."""
        facts = [encode(self._spec), self._base.sha256, report.sha256]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
