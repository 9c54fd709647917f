"""A tiny language model made on the spot, the real base model, and traffic to curate."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from driftline.finetune.candidate import Candidate, load_candidate
from driftline.finetune.prompt import Renderer
from driftline.finetune.rows import Row
from driftline.metrics.models import SMOLLM2, resolve
from driftline.sdk.api import Api
from driftline.sdk.records import Event, EventRow, Message
from driftline.supervisor.ports import free_port

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEADLINE_SECONDS = 120.0
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


class MakeTraffic(Protocol):
    """One event as a list row and with its bodies."""

    def __call__(
        self,
        number: int,
        *,
        question: str = ...,
        answer: str = ...,
        context: list[str] | None = ...,
        scores: dict[str, float] | None = ...,
        status: str = ...,
        truncated: dict[str, int] | None = ...,
        messages: list[Message] | None = ...,
    ) -> tuple[EventRow, Event]: ...


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Same results everywhere, and other tests keep their cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 2 layers with a byte-level tokenizer, saved like a real model."""
    path = tmp_path_factory.mktemp("tiny")
    byte_tokenizer().save_pretrained(path)
    config = LlamaConfig(
        vocab_size=256 + len(SPECIALS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=257,
        eos_token_id=258,
        pad_token_id=258,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def byte_tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(SPECIALS)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=CHATML,
    )


@pytest.fixture
def tiny(tiny_path: Path) -> Candidate:
    logging.disable_progress_bar()
    return load_candidate(tiny_path, rank=4, seed=7, device="cpu")


@pytest.fixture
def renderer(tiny: Candidate) -> Renderer:
    return Renderer(tiny.tokenizer, max_length=160)


@pytest.fixture(scope="session")
def base_path() -> Path:
    """SmolLM2-135M, converted into the model cache on first use."""
    return resolve(SMOLLM2).path


@pytest.fixture
def make_row(renderer: Renderer) -> Callable[[int], Row]:
    """A row of a small task: repeat a word."""

    def make(number: int) -> Row:
        question = f"say word {number}"
        rendered = renderer.render(question, [], f"word {number}")
        assert rendered
        return Row(f"e{number}", f"g{number}", question, rendered.prompt, rendered.completion)

    return make


@pytest.fixture
def make_traffic() -> MakeTraffic:
    return traffic


def traffic(
    number: int,
    *,
    question: str = "",
    answer: str = "",
    context: list[str] | None = None,
    scores: dict[str, float] | None = None,
    status: str = "ok",
    truncated: dict[str, int] | None = None,
    messages: list[Message] | None = None,
) -> tuple[EventRow, Event]:
    """By default a good event without context: its own question, its own answer."""
    name = f"e{number:05}"
    asked = question or f"what is the colour of thing {number}?"
    given = answer if answer != "" else f"thing {number} is painted in shade {number * 7}"
    event = Event(
        id=name,
        trace_id=name,
        span_id=name,
        parent_id="",
        project="shop",
        kind="llm",
        name="answer",
        start_time="",
        end_time="",
        latency_ms=1.0,
        time_to_first_token_ms=None,
        model="m",
        provider="",
        variant="",
        prompt_name="",
        prompt_version="",
        environment="",
        release="",
        session_id="",
        user_id="",
        status=status,
        error="",
        input=messages if messages is not None else [Message("user", asked)],
        output=given,
        context=context or [],
        token_logprobs=[],
        usage={},
        cost=None,
        tags=[],
        metadata={},
        sample_weight=1.0,
        truncated=truncated or {},
        ingested_at="",
    )
    row = EventRow(
        id=name,
        trace_id=name,
        span_id=name,
        parent_id="",
        kind="llm",
        name="answer",
        start_time="",
        latency_ms=1.0,
        model="m",
        variant="",
        environment="",
        session_id="",
        user_id="",
        status=status,
        error="",
        input_preview="",
        output_preview="",
        input_tokens=0,
        output_tokens=0,
        cost=None,
        scores={} if scores is None else scores,
    )
    return row, event


@dataclass(frozen=True)
class Collector:
    """A real collector: where it is, an administrator's client, a trainer's key."""

    url: str
    admin: Api
    key: str

    def project(self, name: str) -> Api:
        self.admin.create_project(name)
        return self.admin.for_project(name)


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """`python -m driftline.collector` on a free port, with an embedded ClickHouse of its own."""
    home, port = tmp_path_factory.mktemp("collector"), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"DRIFTLINE_HOME": str(home), "DRIFTLINE_PORT": str(port)}
    with (home / "log").open("wb") as log, spawn("driftline.collector", [], settings, log) as child:
        wait_until(
            lambda: child.poll() is not None or Api(url, "", retries=0).ready(),
            "the collector starts",
        )
        assert child.poll() is None, (home / "log").read_text()
        admin = Api(url, (home / "admin.key").read_text().strip())
        yield Collector(url, admin, admin.create_key("work", "trainer").secret)
    assert child.returncode == 0


@contextmanager
def spawn(
    module: str, arguments: list[str], settings: dict[str, str], log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A module as a process, with these settings only; ended by SIGTERM."""
    kept = {k: v for k, v in os.environ.items() if k == "DRIFTLINE_SPOOL_DIR"}
    own = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")} | kept
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, env=own | settings, stdout=log, stderr=log) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(DEADLINE_SECONDS)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline, pause = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS:.0f} s"
        pause.wait(0.05)


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool], str], None]:
    """Wait for a condition with a deadline."""
    return wait_until


StartTrainer = Callable[..., "AbstractContextManager[subprocess.Popen[bytes]]"]


@pytest.fixture
def start_trainer(collector: Collector, tmp_path: Path) -> StartTrainer:
    """`python -m driftline.finetune` against the collector; its home is tmp_path/home."""

    @contextmanager
    def start(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        flags = ["--home", str(tmp_path / "home"), "--health-port", "0", "--threads", "1"]
        settings = {"DRIFTLINE_URL": collector.url, "DRIFTLINE_API_KEY": collector.key}
        command = [*flags, "--lease-seconds", "8", *arguments]
        with (
            (tmp_path / "trainer.log").open("ab") as log,
            spawn("driftline.finetune", command, settings, log) as child,
        ):
            yield child

    return start
