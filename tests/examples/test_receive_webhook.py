"""The example receiver agrees with the reference library about what is genuine."""

import datetime as dt
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from standardwebhooks import Webhook

EXAMPLE = Path(__file__).parents[2] / "examples" / "receive_webhook.py"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type": "incident.opened", "data": {}}'

Genuine = Callable[[str, str, str, str, bytes], bool]


@pytest.fixture
def is_genuine() -> Genuine:
    spec = importlib.util.spec_from_file_location("receive_webhook", EXAMPLE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    judge: Genuine = module.is_genuine
    return judge


def test_it_believes_the_reference_librarys_signature_and_nothing_else(is_genuine: Genuine) -> None:
    now = dt.datetime.now(dt.UTC)
    stamp = str(int(now.timestamp()))
    given = Webhook(SECRET).sign("msg_1", now, BODY)
    assert is_genuine(SECRET, "msg_1", stamp, "v1,bm8= " + given, BODY.encode())
    assert not is_genuine(SECRET, "msg_2", stamp, given, BODY.encode())
    assert not is_genuine(SECRET, "msg_1", stamp, given, BODY.encode() + b" ")
    assert not is_genuine(SECRET, "msg_1", str(int(stamp) - 301), given, BODY.encode())
    assert not is_genuine(SECRET, "msg_1", stamp, "", BODY.encode())
