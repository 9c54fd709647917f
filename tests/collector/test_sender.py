"""Sending webhooks to real receivers: signed, pinned, bounded, without redirects."""

import asyncio
import http.server
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from driftline.collector import outbox
from driftline.collector.sender import Sender, answer_of, retry_after
from driftline.collector.settings import Settings
from driftline.collector.tables import DeliveryRow, ProjectRow


class Receiver:
    """An HTTP server on this machine that notes what it gets and answers as told."""

    def __init__(self, tls=None):
        self.got = []
        self.answers = []
        self.finish = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.answer(self)

            def do_GET(self):
                outer.got.append(("GET", {}, b""))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def answer(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        self.got.append((request.path, dict(request.headers), body))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        if status == "slow":
            self.finish.wait(30)
            status = 200
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()

    def close(self):
        self.finish.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver():
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def settings(settings):
    return Settings(**{**settings.model_dump(), "webhook_allow": "127.0.0.0/8"})


def tell(front, kind="incident.opened", data=None):
    with front.services.control.session() as session:
        query = select(ProjectRow).where(ProjectRow.name == front.project)
        project = session.scalars(query).one()
        outbox.enqueue(front.services, session, project, kind, data or {"id": "inc_x"}, "inc_x")


def deliveries(front):
    with front.services.control.reading() as session:
        query = select(DeliveryRow).join(ProjectRow, ProjectRow.id == DeliveryRow.project_id)
        return list(session.scalars(query.where(ProjectRow.name == front.project)))


def settled(front, attempts=1):
    """The one delivery, when it was tried so often."""
    (row,) = deliveries(front)
    return row if row.attempts >= attempts else None


def test_a_receiver_verifies_the_signature_with_the_standards_own_library(
    front, receiver, eventually
):
    url = f"http://127.0.0.1:{receiver.port}/hook?a=b"
    made = front.post("/v1/webhooks", {"url": url})
    tell(front, data={"id": "inc_1", "words": "ü"})
    row = eventually(lambda: settled(front))
    ((path, headers, body),) = receiver.got
    assert (row.state, row.last_status, path) == ("delivered", 200, "/hook?a=b")
    message = Webhook(made["secret"]).verify(body, {k.lower(): v for k, v in headers.items()})
    assert message["type"] == "incident.opened" and message["data"]["words"] == "ü"
    forged = {k.lower(): v for k, v in headers.items()}
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(body + b" ", forged)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(body, forged)


def test_a_retry_carries_the_same_id_and_a_fresh_signature(front, receiver, clock, eventually):
    receiver.answers = [(500, {})]
    made = front.post("/v1/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/"})
    tell(front)
    eventually(lambda: settled(front))
    clock.advance(seconds=6)
    row = eventually(lambda: settled(front, attempts=2))
    first, second = ({k.lower(): v for k, v in got[1].items()} for got in receiver.got)
    assert (row.state, row.attempts) == ("delivered", 2)
    assert first["webhook-id"] == second["webhook-id"] == row.id
    assert int(second["webhook-timestamp"]) >= int(first["webhook-timestamp"]) + 5
    assert first["webhook-signature"] != second["webhook-signature"]
    assert made["secret"] not in str(receiver.got)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_not_followed(front, receiver, eventually, status):
    inside = {"Location": f"http://127.0.0.1:{receiver.port}/inside"}
    receiver.answers = [(status, inside)]
    front.post("/v1/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/"})
    tell(front)
    row = eventually(lambda: settled(front))
    assert (row.state, row.last_status) == ("pending", status)
    assert [got[0] for got in receiver.got] == ["/"]


def test_410_ends_it_and_the_endpoint_hears_no_more(front, receiver, eventually):
    receiver.answers = [(410, {})]
    front.post("/v1/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/"})
    tell(front)
    row = eventually(lambda: settled(front))
    assert row.state == "dead"
    assert front.get("/v1/webhooks")["webhooks"][0]["enabled"] is False


def test_nobody_listening_is_a_failed_attempt_with_the_reason(front, receiver, eventually):
    receiver.close()
    front.post("/v1/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/"})
    tell(front)
    row = eventually(lambda: settled(front))
    assert (row.state, row.last_status) == ("pending", None)
    assert "ConnectError" in row.last_error
    receiver.close = lambda: None


def test_a_name_that_resolves_inside_is_not_called(front, receiver, eventually):
    """A public-looking name whose DNS answer is an address that nobody allowed."""
    front.post("/v1/webhooks", {"url": f"https://rebind.invalid:{receiver.port}/"})
    run_once(front, resolve=lambda host, port: ["10.0.0.1"])
    row = settled(front)
    assert "10.0.0.1 is not a public address" in row.last_error
    assert receiver.got == []


def run_once(front, **options):
    """One attempt by a sender of the test's own, before the collector's finds it."""
    with front.services.control.session() as session:
        query = select(ProjectRow).where(ProjectRow.name == front.project)
        project = session.scalars(query).one()
        outbox.enqueue(front.services, session, project, "incident.opened", {}, "inc_x")
        session.flush()
        mine = [
            d.id
            for d in session.scalars(
                select(DeliveryRow).where(DeliveryRow.project_id == project.id)
            )
        ]
        due = [s for s in outbox.claim_due(session, front.services.clock()) if s.id in mine]
    sender = Sender(front.services, **options)
    asyncio.run(sender._send_all(due))


def test_a_receiver_that_does_not_answer_costs_no_more_than_the_limit(front, receiver):
    receiver.answers = [("slow", {})]
    front.post("/v1/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/"})
    begun = time.monotonic()
    run_once(front, timeout_seconds=0.3)
    assert time.monotonic() - begun < 10
    assert settled(front).last_error


def test_a_silent_receiver_does_not_hold_up_the_others(front, receiver):
    quick = Receiver()
    receiver.answers = [("slow", {})]
    for port in (receiver.port, quick.port):
        front.post("/v1/webhooks", {"url": f"http://127.0.0.1:{port}/"})
    run_once(front, timeout_seconds=1.0)
    quick.close()
    assert sorted(row.state for row in deliveries(front)) == ["delivered", "pending"]


def certificate(name):
    """A self-signed certificate for `name`, as PEM of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM), private


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Server and client contexts for a receiver named hooks.example."""
    folder = tmp_path_factory.mktemp("tls")
    public, private = certificate("hooks.example")
    (folder / "cert.pem").write_bytes(public)
    (folder / "key.pem").write_bytes(private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    client = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    return server, client


@pytest.mark.parametrize(
    ("name", "state"), [("hooks.example", "delivered"), ("other.example", "pending")]
)
def test_tls_is_verified_against_the_name_while_the_address_is_pinned(front, tls, name, state):
    server, client = tls
    receiver = Receiver(server)
    front.post("/v1/webhooks", {"url": f"https://{name}:{receiver.port}/x"})
    run_once(front, resolve=lambda host, port: ["127.0.0.1"], verify=client)
    receiver.close()
    assert settled(front).state == state
    hosts = [{k.lower(): v for k, v in got[1].items()}["host"] for got in receiver.got]
    assert hosts == ([f"{name}:{receiver.port}"] if state == "delivered" else [])


def test_the_next_address_is_tried_when_the_first_does_not_answer(front, receiver):
    front.post("/v1/webhooks", {"url": f"http://both.example:{receiver.port}/"})
    run_once(front, resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"])
    assert settled(front).state == "delivered"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("", 0),
        ("-5", 0),
        ("soon", 0),
        ("9" * 40, 999_999_999),
        ("Wed, 21 Oct 2026 07:30:00 GMT", 120),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0),
        ("١٢", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value, seconds):
    assert retry_after(value, "Wed, 21 Oct 2026 07:28:00 GMT") == seconds


@pytest.mark.parametrize(
    ("status", "good", "final"),
    [
        (200, True, False),
        (204, True, False),
        (301, False, False),
        (404, False, False),
        (410, False, True),
        (500, False, False),
    ],
)
def test_only_2xx_is_success_and_only_410_is_final(status, good, final):
    answer = answer_of(httpx.Response(status))
    assert (not answer.error, answer.final) == (good, final)
