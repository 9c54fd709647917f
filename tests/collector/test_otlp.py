"""OTLP over HTTP: protobuf and JSON, every dialect, partial success, scope, keys."""

import base64
import gzip
import json
import time

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}]
SAID = [{"role": "assistant", "parts": [{"type": "text", "content": "Rainy."}]}]
DIALECTS = {
    "genai": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.input.messages": json.dumps(ASKED),
        "gen_ai.output.messages": json.dumps(SAID),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.conversation.id": "s1",
        "user.id": "u1",
    },
    "deprecated genai, OpenLLMetry": {
        "llm.request.type": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Weather in Paris?",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Rainy.",
        "gen_ai.usage.prompt_tokens": 12,
        "gen_ai.usage.completion_tokens": 3,
        "gen_ai.usage.cache_read_input_tokens": 8,
        "traceloop.association.properties.session_id": "s1",
        "traceloop.association.properties.user_id": "u1",
    },
    "OpenInference": {
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.model_name": "gpt-4o",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Weather in Paris?",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Rainy.",
        "llm.token_count.prompt": 12,
        "llm.token_count.completion": 3,
        "llm.token_count.prompt_details.cache_read": 8,
        "session.id": "s1",
        "user.id": "u1",
    },
    "Langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "gen_ai.system": "openai",
        "langfuse.observation.input": json.dumps(
            [{"role": "user", "content": "Weather in Paris?"}]
        ),
        "langfuse.observation.output": json.dumps({"role": "assistant", "content": "Rainy."}),
        "langfuse.observation.usage_details": json.dumps(
            {"input": 4, "input_cached_tokens": 8, "output": 3}
        ),
        "session.id": "s1",
        "user.id": "u1",
    },
    "Vercel": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "openai",
        "ai.model.id": "gpt-4o",
        "ai.prompt.messages": json.dumps(
            [{"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]}]
        ),
        "ai.response.text": "Rainy.",
        "ai.usage.promptTokens": 12,
        "ai.usage.completionTokens": 3,
        "ai.usage.cachedInputTokens": 8,
        "ai.telemetry.metadata.sessionId": "s1",
        "ai.telemetry.metadata.userId": "u1",
    },
}


def any_value(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    return {"stringValue": value}


def span(attributes, name="chat gpt-4o", span_id=SPAN, parent="", start=None, **more):
    start = start or time.time_ns() - 2_000_000_000
    made = {
        "traceId": TRACE,
        "spanId": span_id,
        "name": name,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 1_500_000_000),
        "attributes": [{"key": k, "value": any_value(v)} for k, v in attributes.items()],
        **more,
    }
    return made | ({"parentSpanId": parent} if parent else {})


def request_of(*spans, resource=None):
    pairs = [{"key": k, "value": any_value(v)} for k, v in (resource or {}).items()]
    scope = {"scope": {"name": "tests"}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": pairs}, "scopeSpans": [scope]}]}


def as_protobuf(request):
    """The same request, built field by field: JSON's own mapping has base64 ids."""
    made = ExportTraceServiceRequest()
    for part in request["resourceSpans"]:
        target = made.resource_spans.add()
        fill(target.resource.attributes, part["resource"]["attributes"])
        scope = target.scope_spans.add()
        for one in part["scopeSpans"][0]["spans"]:
            added = scope.spans.add(
                trace_id=bytes.fromhex(one["traceId"]),
                span_id=bytes.fromhex(one["spanId"]),
                parent_span_id=bytes.fromhex(one.get("parentSpanId", "")),
                name=one["name"],
                start_time_unix_nano=int(one["startTimeUnixNano"]),
                end_time_unix_nano=int(one["endTimeUnixNano"]),
            )
            fill(added.attributes, one["attributes"])
    return made.SerializeToString()


def fill(target, pairs):
    for pair in pairs:
        value = target.add(key=pair["key"]).value
        ((kind, given),) = pair["value"].items()
        if kind == "intValue":
            value.int_value = int(given)
        elif kind == "stringValue":
            value.string_value = given
        else:
            raise AssertionError(kind)


def export(front, request, kind=JSON, path="/v1/traces", expect=200, **headers):
    body = orjson.dumps(request) if kind == JSON else as_protobuf(request)
    response = front.client.post(
        path, content=body, headers={**front.headers, "Content-Type": kind, **headers}
    )
    assert response.status_code == expect, response.text
    return response


def only_event(front):
    (row,) = front.get("/v1/events")["rows"]
    return front.get(f"/v1/events/{row['id']}")


@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_says_the_same(front, dialect, kind):
    export(front, request_of(span(DIALECTS[dialect])), kind)
    event = only_event(front)
    assert event["input"] == [{"role": "user", "content": "Weather in Paris?"}]
    assert event["output"] == "Rainy."
    assert (event["kind"], event["model"], event["provider"]) == ("llm", "gpt-4o", "openai")
    assert event["usage"] == {"input": 12, "output": 3, "input_cached": 8}
    assert (event["session_id"], event["user_id"]) == ("s1", "u1")
    assert (event["trace_id"], event["span_id"], event["parent_id"]) == (TRACE, SPAN, "")
    assert event["latency_ms"] == 1500.0
    assert event["metadata"] == {"otel.scope.name": "tests"} or kind == PROTOBUF


def test_a_span_sent_twice_is_one_event(front):
    start = time.time_ns() - 10**9
    for kind in (JSON, PROTOBUF, JSON):
        export(front, request_of(span(DIALECTS["genai"], start=start)), kind)
    assert len(front.get("/v1/events")["rows"]) == 1
    assert front.get("/v1/overview")["events"] == 1


def test_resource_and_rest_are_kept(front):
    resource = {
        "service.name": "shop",
        "service.version": "1.2",
        "deployment.environment.name": "production",
    }
    extra = {"gen_ai.request.temperature": 0.5, "metadata": json.dumps({"shelf": "top"})}
    export(front, request_of(span(DIALECTS["genai"] | extra), resource=resource))
    event = only_event(front)
    assert (event["release"], event["environment"]) == ("1.2", "production")
    wanted = {"service.name": "shop", "gen_ai.request.temperature": "0.5", "shelf": "top"}
    assert {k: event["metadata"].get(k) for k in wanted} == wanted


def test_errors_first_tokens_and_evaluations_come_from_span_events(front):
    start = time.time_ns() - 10**9
    events = [
        {
            "name": "exception",
            "timeUnixNano": str(start),
            "attributes": [
                {"key": "exception.type", "value": {"stringValue": "RateLimitError"}},
                {"key": "exception.message", "value": {"stringValue": "slow down"}},
            ],
        },
        {"name": "First Token Stream Event", "timeUnixNano": str(start + 250_000_000)},
        {
            "name": "gen_ai.evaluation.result",
            "timeUnixNano": str(start),
            "attributes": [
                {"key": "gen_ai.evaluation.name", "value": {"stringValue": "Relevance"}},
                {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.75}},
            ],
        },
    ]
    failed = span(DIALECTS["genai"], start=start, events=events, status={"code": 2})
    export(front, request_of(failed))
    event = only_event(front)
    assert (event["status"], event["error"]) == ("error", "RateLimitError: slow down")
    assert event["time_to_first_token_ms"] == 250.0
    (score,) = front.get(f"/v1/events/{event['id']}/scores")["scores"]
    assert (score["name"], score["value"], score["source"]) == ("Relevance", 0.75, "judge")


def test_retrieved_documents_and_tools(front):
    retrieval = {
        "openinference.span.kind": "RETRIEVER",
        "input.value": "Paris",
        "retrieval.documents.0.document.content": "Paris is rainy.",
        "retrieval.documents.1.document.content": "Paris is big.",
    }
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.arguments": '{"city": "Paris"}',
        "gen_ai.tool.call.result": '{"sky": "grey"}',
    }
    export(front, request_of(span(retrieval), span(tool, span_id="11" * 8)))
    events = {
        event["kind"]: event
        for row in front.get("/v1/events")["rows"]
        for event in [front.get(f"/v1/events/{row['id']}")]
    }
    assert events["retrieval"]["context"] == ["Paris is rainy.", "Paris is big."]
    assert events["tool"]["output"] == '{"sky": "grey"}'
    assert events["tool"]["input"][0]["content"] == '{"city": "Paris"}'


def test_what_is_not_about_language_models_is_left_out_and_counted_parents_are_kept(front):
    web = span({"http.route": "/ask"}, name="POST /ask", span_id=PARENT)
    query = span({"db.system": "postgresql"}, name="SELECT", span_id="22" * 8, parent=PARENT)
    chat = span(DIALECTS["genai"], parent=PARENT)
    export(front, request_of(query, chat))
    export(front, request_of(web))  # it ends last, and comes alone
    names = {row["name"]: row for row in front.get("/v1/events")["rows"]}
    assert set(names) == {"POST /ask", "chat gpt-4o"}
    assert names["POST /ask"]["kind"] == "chain"
    assert front.get("/v1/overview")["dropped_total"] == {"out_of_scope": 1}


def test_a_project_may_keep_every_span(front):
    body = {"llm_scope": False}
    front.client.put("/v1/settings", json=body, headers=front.headers)
    export(front, request_of(span({"db.system": "postgresql"}, name="SELECT")))
    assert [row["name"] for row in front.get("/v1/events")["rows"]] == ["SELECT"]


@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_a_bad_span_is_a_partial_success_and_takes_no_neighbour(front, kind):
    old = span(DIALECTS["genai"], span_id="33" * 8, start=10**18 // 10)
    zero = span(DIALECTS["genai"], span_id="44" * 8) | {"traceId": "0" * 32}
    answer = export(front, request_of(old, span(DIALECTS["genai"]), zero), kind)
    assert answer.headers["content-type"].startswith(kind)
    assert len(front.get("/v1/events")["rows"]) == 1
    if kind == JSON:
        told = answer.json()["partialSuccess"]
        assert told["rejectedSpans"] == "2"
        assert "time_out_of_range" in told["errorMessage"]
    else:
        response = ExportTraceServiceResponse.FromString(answer.content)
        assert response.partial_success.rejected_spans == 2
        assert "invalid_id" in response.partial_success.error_message


def test_compressed_bodies_and_wrong_ones(front):
    body = gzip.compress(as_protobuf(request_of(span(DIALECTS["genai"]))))
    headers = {**front.headers, "Content-Type": PROTOBUF}
    zipped = front.client.post(
        "/v1/traces", content=body, headers={**headers, "Content-Encoding": "gzip"}
    )
    assert zipped.status_code == 200
    assert only_event(front)
    for content, extra, status in (
        (b"\xff\xff", {}, 400),
        (b"{", {"Content-Type": JSON}, 400),
        (b"x", {"Content-Type": "text/plain"}, 415),
        (b"x", {"Content-Encoding": "gzip"}, 400),
    ):
        answer = front.client.post("/v1/traces", content=content, headers={**headers, **extra})
        assert answer.status_code == status, answer.text
        assert answer.json()["message"]


def test_langfuses_path_takes_basic_auth_and_any_header_style_works(front):
    key = front.post("/v1/keys", {"project": front.project_id, "scope": "ingest"})
    pair = base64.b64encode(f"{key['public_key']}:{key['secret']}".encode()).decode()
    wrong = base64.b64encode(f"pk-dl-00000000:{key['secret']}".encode()).decode()
    body = as_protobuf(request_of(span(DIALECTS["Langfuse"])))
    path = "/api/public/otel/v1/traces"
    for headers, status in (
        ({"Authorization": f"Basic {pair}"}, 200),
        ({"x-api-key": key["secret"]}, 200),
        ({"Authorization": f"Bearer {key['secret']}"}, 200),
        ({"Authorization": f"Basic {wrong}"}, 401),
        ({"Authorization": "Basic !!"}, 401),
        ({}, 401),
    ):
        answer = front.client.post(
            path, content=body, headers={"Content-Type": PROTOBUF, **headers}
        )
        assert answer.status_code == status, (headers, answer.text)
    assert len(front.get("/v1/events")["rows"]) == 1


def test_logs_and_metrics_are_accepted_and_dropped(front):
    for path in ("/v1/logs", "/v1/metrics"):
        answer = front.client.post(
            path, content=b"", headers={**front.headers, "Content-Type": PROTOBUF}
        )
        assert (answer.status_code, answer.content) == (200, b"")


# ----------------------------------------------------------------------- fuzz

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)
STRANGE = """gen_ai.prompt.9999.content llm.input_messages.1.message.tool_calls.0.x metadata
langfuse.observation.cost_details retrieval.documents.3.document.content tag.tags"""
KEYS = st.sampled_from(
    [*sorted({name for dialect in DIALECTS.values() for name in dialect}), *STRANGE.split()]
)
FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(st.dictionaries(KEYS, VALUES, max_size=6), st.text(max_size=40), VALUES)
def test_no_attribute_breaks_a_request(front, attributes, name, odd):
    hostile = [
        {"key": key, "value": {"stringValue": value} if isinstance(value, str) else value}
        for key, value in attributes.items()
    ]
    one = span({}, name=name) | {"attributes": hostile, "status": odd, "events": odd}
    body = json.dumps(request_of(one, span({}) | {"traceId": odd, "startTimeUnixNano": odd}))
    response = front.client.post(
        "/v1/traces", content=body.encode(), headers={**front.headers, "Content-Type": JSON}
    )
    assert response.status_code in (200, 400), response.text


@FUZZ
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_break_the_protobuf_door(front, noise, place, byte):
    whole = bytearray(as_protobuf(request_of(span(DIALECTS["OpenInference"]))))
    whole[place % len(whole)] = byte
    for body in (bytes(whole), bytes(whole[: place % len(whole)]), noise):
        response = front.client.post(
            "/v1/traces", content=body, headers={**front.headers, "Content-Type": PROTOBUF}
        )
        assert response.status_code in (200, 400), response.text
