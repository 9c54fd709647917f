"""Prompt injection and toxicity, as metrics of a judge (`judges`), whichever it is."""

from __future__ import annotations

from driftline.metrics.metric import Metric, Needs, metric

from .judges import Judge, Texts, context_texts, judged, prompt_texts, response_texts

INJECTION_LIES = (
    "attacks unlike the model's training data are missed; role play and talk about prompts may"
    " look alike"
)
TOXICITY_LIES = (
    "reclaimed, quoted and dialect use is often flagged, contempt in polite words missed"
)


def injection_metrics(judge: Judge) -> tuple[Metric, ...]:
    """Does a message of a user or tool, or a document, try to override the instructions?"""
    return (
        _metric(judge, "prompt_injection", "Prompt injection", "prompt", prompt_texts),
        _metric(
            judge, "context_injection", "Injection in the context", "response and context",
            context_texts,
        ),
    )  # fmt: skip


def toxicity_metrics(judge: Judge) -> tuple[Metric, ...]:
    """Is what users wrote, or what the model answered, hateful or offensive?"""
    return (
        _metric(judge, "prompt_toxicity", "Toxicity of the prompt", "prompt", prompt_texts),
        _metric(judge, "response_toxicity", "Toxicity of the response", "response", response_texts),
    )


def _metric(judge: Judge, name: str, title: str, needs: Needs, texts: Texts) -> Metric:
    side, _, kind = name.partition("_")
    injection = kind == "injection"
    return metric(
        name=name,
        title=title,
        formula=f"probability of {kind} by a classifier of texts, the highest of the texts",
        source=judge.source,
        needs=needs,
        low=0.0,
        high=1.0,
        lies=f"{INJECTION_LIES if injection else TOXICITY_LIES}; {judge.lies}",
        cost=judge.cost,
        version=judge.version,
        default=judge.default,
    )(judged(judge, texts, f"no {side}", kind if injection else "toxic", marks=side != "context"))
