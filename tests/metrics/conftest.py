"""Real models, loaded once a session, and a way to wait without sleeping blindly."""

import threading
import time
from collections.abc import Callable

import pytest
import torch

from driftline.metrics import models
from driftline.metrics.embeddings import Embedder
from driftline.metrics.models import ResolvedModel
from driftline.metrics.perplexity import PerplexityScorer
from driftline.metrics.tagger import Tagger, load_tagger

POLL_SECONDS = 0.05

Wait = Callable[[Callable[[], object], str], None]


@pytest.fixture(scope="session")
def smollm2() -> ResolvedModel:
    return models.resolve(models.SMOLLM2)


@pytest.fixture(scope="session")
def scorer(smollm2: ResolvedModel) -> PerplexityScorer:
    return PerplexityScorer.load(smollm2, "cpu", torch.float32)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return Embedder.load(models.resolve(models.MINILM), "cpu", "all-MiniLM-L6-v2")


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    return load_tagger(models.resolve(models.MINILM))


@pytest.fixture
def wait_until() -> Wait:
    """Waits until a condition holds; fails with `what` after three minutes."""

    def wait(condition: Callable[[], object], what: str, seconds: float = 180.0) -> None:
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"still not so after {seconds:.0f} s: {what}"
            pause.wait(POLL_SECONDS)

    return wait
