"""What a job's spec must look like; a job with another one fails at once and says why."""

from __future__ import annotations

from driftline.sdk.records import JobSpec

from .errors import FinetuneError

# Field, least, most. Learning rates near 1e-3 already ruin small models: the limit is for typos.
LIMITS: tuple[tuple[str, float, float], ...] = (
    ("rank", 1, 512),
    ("learning_rate", 1e-8, 0.1),
    ("batch_size", 1, 1024),
    ("max_steps", 1, 1_000_000),
    ("pilot_steps", 1, 1000),
    ("pilot_rows", 1, 10_000),
    ("max_length", 64, 8192),
    ("max_rows", 20, 100_000),
    ("max_hallucination", 0.0, 1.0),
    ("patience", 1, 1_000_000),
    ("test_rows", 1, 10_000),
)


def check_spec(spec: JobSpec) -> None:
    """Raises FinetuneError that names every field out of its limits."""
    wrong = [
        f"{name} is {getattr(spec, name)}, wanted {least:g} to {most:g}"
        for name, least, most in LIMITS
        if not least <= getattr(spec, name) <= most
    ]
    if spec.method != "lora":
        wrong.append(f"method is {spec.method}, wanted lora")
    if wrong:
        raise FinetuneError("the job's spec is wrong: " + "; ".join(wrong))
