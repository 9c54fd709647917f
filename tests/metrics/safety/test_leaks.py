"""Personal data and secrets: what is found, what is left alone, and that spans slice the text."""

from typing import Any

import pytest

from driftline.metrics.metric import Metric
from driftline.metrics.safety import SAFETY
from driftline.metrics.safety.credentials import secrets_in
from driftline.metrics.safety.pii import personal_data

from .conftest import MakeEvent

METRICS: dict[str, Metric] = {metric.card.name: metric for metric in SAFETY}
KINDS = {"EMAIL_ADDRESS": "email", "CREDIT_CARD": "card", "IBAN_CODE": "iban", "PERSON": "name"}


def found(text: str) -> list[tuple[str, str]]:
    return [(place.kind, text[place.start : place.end]) for place in personal_data(text)]


def secrets(text: str) -> list[str]:
    return [text[place.start : place.end] for place in secrets_in(text)]


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("Write to jo.doe@example.org today", "email", "jo.doe@example.org"),
        ("call me on 781 5991 please", "phone", "781 5991"),
        ("ring +44 20 7946 0958", "phone", "+44 20 7946 0958"),
        ("my card is 4111 1111 1111 1111", "card", "4111 1111 1111 1111"),
        ("SSN 536-22-1234", "ssn", "536-22-1234"),
        ("I was born on April 4, 2010 in Rome", "birth date", "April 4, 2010"),
        ("DOB: 04/12/1988", "birth date", "04/12/1988"),
        ("from 192.168.17.4", "ip", "192.168.17.4"),
        ("Hello, my name is Zdenka Nováková.", "name", "Zdenka Nováková"),
        ("Mrs. Szabó called", "name", "Szabó"),
        ("please add James Þóroddsson to it", "name", "James Þóroddsson"),
        ("send it to 615 Benedum Drive, thanks", "address", "615 Benedum Drive"),
        ("wohnt Lindenstraße 14 seit Mai", "address", "Lindenstraße 14"),
        ("deliver to PO Box 1234", "address", "PO Box 1234"),
    ],
)
def test_personal_data_is_found_and_named(text: str, kind: str, part: str) -> None:
    assert (kind, part) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "The Virginia plan of 1787 had 15 resolutions.",
        "What is the capital of Jordan?",
        "Order 4111 1111 1111 1112 is on its way",  # a wrong digit sum
        "version 1.2.3.4.5 of 2024-05-01",
        "The Great Depression began in 1929.",
        "666-12-1234 and 000-12-1234 are no numbers of social security",
        "Call it a day at 5 pm.",
    ],
)
def test_what_is_about_nobody_is_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key AKIAIOSFODNN7QRSTUVW here", "AKIAIOSFODNN7QRSTUVW"),
        ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
        ('password = "tr0ub4dor&3"', "tr0ub4dor&3"),
        ("DB_PASSWORD=s3cretPa55", "s3cretPa55"),
        ("client_secret: 8f14e45fceea167a5a36dedd4bea2543", "8f14e45fceea167a5a36dedd4bea2543"),
        ("postgres://app:hunter2x@db:5432/shop", "hunter2x"),
        ("dapi0123456789abcdef0123456789abcdef", "dapi0123456789abcdef0123456789abcdef"),
    ],
)
def test_secrets_are_found_whole(text: str, secret: str) -> None:
    assert secret in secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        'api_key = "your-api-key-goes-here-0123"',
        "password: ${DB_PASSWORD}",
        'token = os.environ["TOKEN"]',
        "the secret is to let the dough rest overnight",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "password: <your password here>",
        "Set client_secret: xxxxxxxxxxxxxxxxxxxxxxxx in the form",
    ],
)
def test_placeholders_and_digests_are_no_secrets(text: str) -> None:
    assert secrets(text) == []


def test_a_private_key_is_one_place_to_its_end() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----"
    assert secrets(f"see {pem} above") == [pem]


def test_the_metric_counts_places_and_tells_nothing_of_them(make_event: MakeEvent) -> None:
    value = METRICS["prompt_pii"](
        make_event(("user", "I am at jo@example.org and ann@example.org"))
    )
    assert value.value == 2
    assert value.label == "email"
    assert value.explanation == "email: 2"


def test_spans_of_the_prompt_slice_the_joined_messages(make_event: MakeEvent) -> None:
    event = make_event(("system", "Be brief."), ("user", "Mail jo@example.org"))
    (span,) = METRICS["prompt_pii"](event).spans
    assert "Be brief.\nMail jo@example.org"[span.start : span.end] == "jo@example.org"


def test_no_text_is_no_number(make_event: MakeEvent) -> None:
    values = {name: metric(make_event()) for name, metric in METRICS.items()}
    assert {name: value.value for name, value in values.items()} == dict.fromkeys(METRICS)
    assert values["response_pii"].explanation == "no response"


def test_recall_and_precision_on_held_out_sentences(held_out: dict[str, Any]) -> None:
    """A sample of what docs/safety.md measures, with slack; kinds with a check digit are exact."""
    wanted = dict.fromkeys(KINDS.values(), 0)
    hit, said, right = dict(wanted), dict(wanted), dict(wanted)
    for row in held_out["pii"]:
        gold = [(s["start_position"], s["end_position"], s["entity_type"]) for s in row["spans"]]
        places = personal_data(row["text"])
        for start, end, entity in gold:
            if kind := KINDS.get(entity):
                wanted[kind] += 1
                hit[kind] += any(p.kind == kind and p.start < end and start < p.end for p in places)
        for place in places:
            if place.kind in wanted:
                said[place.kind] += 1
                right[place.kind] += any(
                    KINDS.get(entity) == place.kind and place.start < end and start < place.end
                    for start, end, entity in gold
                )
    assert wanted["name"] > 20
    assert hit["name"] / wanted["name"] > 0.45
    assert right["name"] / said["name"] > 0.75
    assert hit["email"] == wanted["email"]
    assert hit["iban"] == wanted["iban"]
