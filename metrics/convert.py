"""GGUF to a plain Hugging Face folder: fp32 safetensors that can be loaded, saved and trained.

transformers 5.23 marks GGUF weights as quantised, even where it unpacked them, and then refuses to
save or train them; `GgufConfig(dequantize=True)` is what makes them ordinary. A GGUF tokenizer says
that its longest input is 1e30 tokens, with which nothing is ever truncated: 8,192 is set instead.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from .errors import ModelMissing, ModelUnsuitable

CONVERSION = 1  # raise it when the files below change, and every cache converts anew
MAX_TOKENS = 8192
MANIFEST = "driftline.json"
FP32_PER_Q4_BYTES = 8  # a 4-bit weight becomes 32 bits

Progress = Callable[[str], None]


def go_offline() -> None:
    """Keep the model libraries off the network and off the terminal. Call it before importing them.

    Without it bitsandbytes, among others, asks the hub for kernels, and each load draws a bar.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def convert_gguf(gguf: Path, folder: Path, facts: Mapping[str, str], progress: Progress) -> None:
    """Write the model in `gguf` to `folder`, unless it is there; `facts` go into its manifest.

    The folder appears whole or not at all, and two processes do not convert at the same time.
    """
    if (folder / MANIFEST).is_file():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder), _draft(folder) as draft:
        if (folder / MANIFEST).is_file():
            return
        _check_space(gguf, folder.parent)
        progress(f"converting {gguf.name} to safetensors (once, about half a minute)")
        with redirect_stderr(io.StringIO()):  # the converter's progress bar has no switch
            _write_model(gguf, draft)
            _write_tokenizer(gguf, draft)
        (draft / MANIFEST).write_text(json.dumps(dict(facts)), "utf-8")
        for path in draft.iterdir():
            path.chmod(0o644)  # safetensors writes 0600, and a cache may be baked into an image
        draft.rename(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(folder.with_name(folder.name + ".lock")):
        yield


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, cleared of what a killed process may have left in it."""
    draft = folder.with_name(f"draft.{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_space(gguf: Path, parent: Path) -> None:
    needed = gguf.stat().st_size * FP32_PER_Q4_BYTES
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise ModelMissing(
            f"{parent} has {free >> 20} MiB free, the converted {gguf.name} needs up to "
            f"{needed >> 20} MiB: make room, or set DRIFTLINE_MODEL_CACHE to another disk"
        )


def _write_model(gguf: Path, draft: Path) -> None:
    go_offline()
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    try:
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
            local_files_only=True,
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        raise ModelUnsuitable(f"{gguf} cannot be converted: {error}") from error
    model.save_pretrained(draft)


def _write_tokenizer(gguf: Path, draft: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        gguf.parent, gguf_file=gguf.name, local_files_only=True
    )
    tokenizer.model_max_length = MAX_TOKENS
    tokenizer.save_pretrained(draft)
