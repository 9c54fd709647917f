"""The webhook receiver believes only what is signed, fresh and well formed."""

import base64
import http.client
import json
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from driftline.demo.receiver import BadSignature, Receiver, signature, verify

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
NOW = 1_700_000_000.0
BODY = json.dumps({"type": "incident.opened", "timestamp": "", "data": {"id": "i1"}}).encode()


def headers(body: bytes = BODY, secret: str = SECRET, stamp: int = int(NOW)) -> dict[str, str]:
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature(secret, f"msg_1.{stamp}.".encode() + body),
    }


def test_the_signature_is_the_one_of_the_reference_library() -> None:
    import datetime as dt

    theirs = Webhook(SECRET).sign("msg_1", dt.datetime.fromtimestamp(NOW, dt.UTC), BODY.decode())
    assert headers()["webhook-signature"] == theirs


def test_a_signed_message_passes_and_one_good_signature_of_several_is_enough() -> None:
    verify(SECRET, headers(), BODY, NOW)
    several = headers() | {"webhook-signature": "v1,bm8= " + headers()["webhook-signature"]}
    verify(SECRET, several, BODY, NOW)


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({}, BODY + b" ", NOW),
        ({}, BODY, NOW + 301),
        ({}, BODY, NOW - 301),
        ({"webhook-id": "msg_2"}, BODY, NOW),
        ({"webhook-signature": "v1,bm8="}, BODY, NOW),
        ({"webhook-signature": ""}, BODY, NOW),
        ({"webhook-timestamp": "yesterday"}, BODY, NOW),
    ],
    ids=["body", "old", "future", "id", "signature", "none", "timestamp"],
)
def test_anything_that_differs_is_refused(change: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(BadSignature):
        verify(SECRET, headers() | change, body, now)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver(0, clock=lambda: NOW)
    made.start()
    yield made
    made.stop()


def post(receiver: Receiver, body: bytes, head: dict[str, str]) -> int:
    host = receiver.url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request("POST", "/driftline", body, head)
    status = connection.getresponse().status
    connection.close()
    return status


def test_before_it_knows_its_secret_it_asks_to_come_again(receiver: Receiver) -> None:
    assert post(receiver, BODY, headers()) == 503


def test_a_message_that_is_sent_twice_is_noted_once(receiver: Receiver) -> None:
    receiver.trust("shop", SECRET)
    assert [post(receiver, BODY, headers()) for _ in range(2)] == [204, 204]
    assert [(n.type, n.incident_id) for n in receiver.notices] == [("incident.opened", "i1")]


def test_a_forged_message_is_refused_and_counted(receiver: Receiver) -> None:
    receiver.trust("shop", SECRET)
    other = "whsec_" + base64.b64encode(b"another secret of 24 byt").decode()
    assert post(receiver, BODY, headers(secret=other)) == 401
    assert post(receiver, b"not JSON", headers(body=b"not JSON")) == 401
    assert receiver.refused == 2
    assert receiver.notices == []
