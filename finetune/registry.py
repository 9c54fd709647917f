"""The local model registry: <root>/<project>/<name>/v<version>/ with an adapter and its manifest.

    adapter_config.json         PEFT's, with the base model as a reference and its hash, not a path
    adapter_model.safetensors   the weights, at the strength that the gate judged
    manifest.json               where it comes from: events, filters, seed, base, gate, versions

No pickles. A version appears at once and complete (written beside, then renamed) and never changes.
Both verdicts are registered; the manifest says which it was. A job registers one version only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from driftline.sdk.records import GateReport, JobSpec, ModelVersion

from .errors import RegistryError

MANIFEST = "manifest.json"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
KIND = "lora"
MAX_VERSIONS = 100_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What made a version. Serving must render prompts like `prompt_format` with that template."""

    project: str
    project_id: str
    name: str
    job_id: str
    incident_id: str
    created_at: str
    base: str
    base_sha256: str
    adapter_sha256: str
    adapter_strength: float
    dataset_sha256: str
    events: dict[str, list[str]]
    events_until: str
    filters: dict[str, float | int | str]
    dropped: dict[str, int]
    considered: int
    trimmed_rows: int
    unscored_without_context: int
    seed: int
    spec: JobSpec
    pilot: str
    training: str
    gate: GateReport
    chat_template_sha256: str
    prompt_format: str
    max_length: int
    code_version: str
    libraries: dict[str, str]


Write = Callable[[Path], None]  # puts CONFIG and WEIGHTS into a directory


def register(root: Path, manifest: Manifest, write: Write) -> ModelVersion:
    """Store a version; the job's own when it was stored before. Raises RegistryError."""
    shelf = root / _segment(manifest.project) / _segment(manifest.name)
    found = next((path for path in versions(shelf) if _job_of(path) == manifest.job_id), None)
    return version_at(found or _store(shelf, manifest, write))


def versions(shelf: Path) -> Iterator[Path]:
    """The version directories on a shelf, oldest first."""
    if shelf.is_dir():
        names = [p for p in shelf.iterdir() if p.name[:1] == "v" and p.name[1:].isdigit()]
        yield from sorted(names, key=lambda path: int(path.name[1:]))


def version_at(path: Path) -> ModelVersion:
    """The record of the version stored in `path`."""
    text = (path / MANIFEST).read_text("utf-8")
    facts = json.loads(text)
    return ModelVersion(
        id=f"{facts['job_id']}-{path.name}",
        project=facts["project"],
        job_id=facts["job_id"],
        name=facts["name"],
        version=int(path.name[1:]),
        kind=KIND,
        base=facts["base"],
        base_sha256=facts["base_sha256"],
        sha256=facts["adapter_sha256"],
        uri=path.resolve().as_uri(),
        verdict=facts["gate"]["verdict"],
        created_at=facts["created_at"],
        manifest=text,
    )


def adapter_sha256(directory: Path) -> str:
    """One hash over configuration and weights."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        digest.update(hashlib.sha256((directory / name).read_bytes()).digest())
    return digest.hexdigest()


def _store(shelf: Path, manifest: Manifest, write: Write) -> Path:
    draft = shelf / f".{_segment(manifest.job_id)}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write(draft)
        _name_base(draft / CONFIG, manifest)
        facts = asdict(manifest) | {"adapter_sha256": adapter_sha256(draft)}
        (draft / MANIFEST).write_text(json.dumps(facts, indent=2, sort_keys=True), "utf-8")
        for path in (*draft.iterdir(), draft):
            _sync(path)
        return _publish(draft, shelf)
    except OSError as error:
        raise RegistryError(f"cannot store the adapter in {shelf}: {error}") from error


def _publish(draft: Path, shelf: Path) -> Path:
    """Rename to the next free version: rename onto a directory that is not empty fails."""
    last = max((int(path.name[1:]) for path in versions(shelf)), default=0)
    for number in range(last + 1, MAX_VERSIONS):
        target = shelf / f"v{number}"
        if target.exists():
            continue
        try:
            draft.rename(target)
        except OSError:
            if not target.exists():
                raise
            continue
        _sync(shelf)
        return target
    raise RegistryError(f"{shelf} is full: {MAX_VERSIONS} versions")


def _name_base(path: Path, manifest: Manifest) -> None:
    """PEFT writes the path of the base model on this machine; others need reference and hash."""
    config = json.loads(path.read_text("utf-8"))
    config["base_model_name_or_path"] = manifest.base
    config["revision"] = f"sha256:{manifest.base_sha256}"
    path.write_text(json.dumps(config, indent=2, sort_keys=True), "utf-8")


def _job_of(path: Path) -> str:
    return str(json.loads((path / MANIFEST).read_text("utf-8"))["job_id"])


def _segment(name: str) -> str:
    """`name` as one path segment, injectively; names are user input ("../x", ".", "a/b")."""
    if not name:
        raise RegistryError("a project, model or job without a name cannot be stored")
    quoted = urllib.parse.quote(name, safe=" ")
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
