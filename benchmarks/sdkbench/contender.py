"""One contender's run, in a process of its own: python contender.py NAME MODE URL CALLS.

Prints one JSON line. Runs in the peers' environment or in ours; imports nothing of the other's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

PROMPT, ANSWER = "p" * 2040, "a" * 2040
PACE_SECONDS = 0.002
WARM_CALLS = 50
FLUSH_SECONDS = 120

Call = Callable[[str], str]
Flush = Callable[[], object]


def bare(prompt: str) -> str:
    """What is logged: 2 KB in, 2 KB out, both new."""
    return prompt[:8] + ANSWER


def driftline(url: str) -> tuple[Call, Flush]:
    import driftline

    driftline.init(url=url, api_key=os.environ.get("BENCH_KEY", "sk-dl-bench-secret"))
    return driftline.observe(kind="llm")(bare), lambda: driftline.flush(FLUSH_SECONDS)


def opentelemetry(url: str) -> tuple[Call, Flush]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("bench")

    def call(prompt: str) -> str:
        with tracer.start_as_current_span("bare") as span:
            span.set_attribute("input.value", prompt)
            answer = bare(prompt)
            span.set_attribute("output.value", answer)
            return answer

    return call, lambda: provider.force_flush(FLUSH_SECONDS * 1000)


def phoenix(url: str) -> tuple[Call, Flush]:
    from phoenix.otel import register

    provider = register(
        endpoint=f"{url}/v1/traces", protocol="http/protobuf", batch=True, verbose=False
    )
    tracer = provider.get_tracer("bench")
    return tracer.chain(bare), lambda: provider.force_flush(FLUSH_SECONDS * 1000)


def langfuse(url: str) -> tuple[Call, Flush]:
    from langfuse import Langfuse, observe

    client = Langfuse(public_key="pk-lf-bench", secret_key="sk-lf-bench", host=url)
    return observe()(bare), client.flush


def opik(url: str) -> tuple[Call, Flush]:
    os.environ |= {
        "OPIK_URL_OVERRIDE": f"{url}/",
        "OPIK_WORKSPACE": "default",
        "OPIK_SENTRY_ENABLE": "false",
        "OPIK_CONSOLE_LOGGING_LEVEL": "CRITICAL",
    }
    import opik

    return opik.track(bare), lambda: opik.flush_tracker(timeout=FLUSH_SECONDS)


CONTENDERS: dict[str, Callable[[str], tuple[Call, Flush]]] = {
    "driftline": driftline,
    "opentelemetry": opentelemetry,
    "phoenix": phoenix,
    "langfuse": langfuse,
    "opik": opik,
}


def timed(call: Call, calls: int, pace: float) -> list[float]:
    """Microseconds of each call."""
    took = []
    for number in range(calls):
        prompt = f"{number:08}" + PROMPT
        began = time.perf_counter_ns()
        call(prompt)
        took.append((time.perf_counter_ns() - began) / 1000)
        if pace:
            time.sleep(pace)
    return took


def memory_mb(field: str) -> float:
    """VmRSS (now) or VmHWM (the most since `forget_peak`)."""
    with open("/proc/self/status") as status:
        found = next(line for line in status if line.startswith(field))
    return int(found.split()[1]) / 1024


def forget_peak() -> None:
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")


def at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(name: str, mode: str, url: str, calls: int) -> dict[str, float]:
    """What the parent makes a row of."""
    call, flush = CONTENDERS[name](url)
    if mode == "replay":  # start, log nothing, end
        return {}
    timed(call, 1 if mode == "offline" else WARM_CALLS, 0)
    if mode != "offline":
        flush()
    before = memory_mb("VmRSS")
    forget_peak()
    began = time.perf_counter()
    took = timed(call, calls, PACE_SECONDS if mode == "paced" else 0)
    logged = time.perf_counter()
    if mode != "offline":
        flush()
    row = {f"p{share:g}": at(took, share / 100) for share in (50, 95, 99, 99.9)}
    return row | {
        "calling_s": logged - began,
        "drain_s": time.perf_counter() - logged,
        "until_flushed_s": time.perf_counter() - began,
        "rss_mb": memory_mb("VmHWM") - before,
    }


if __name__ == "__main__":
    result = measure(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
    print(json.dumps(result | {"ended": time.time()}), flush=True)
