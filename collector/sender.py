"""Sends what the outbox holds: one attempt each, signed, side by side, each within 15 seconds."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx
import structlog

from . import outbox, signing, ssrf
from .errors import ConfigError
from .outbox import Answer, Sending
from .services import Services

TIMEOUT_SECONDS = 15.0  # for the whole attempt, however slowly the receiver answers
USER_AGENT = "driftline-webhooks"
log = structlog.get_logger(__name__)


class Sender:
    """Delivers webhooks. Follows no redirects, uses no proxies, reads no answer's body."""

    def __init__(
        self,
        parts: Services,
        resolve: ssrf.Resolve = ssrf.resolve,
        verify: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._parts = parts
        self._resolve = resolve
        self._verify = verify or httpx.create_ssl_context(trust_env=False)
        self._timeout = timeout_seconds

    def send_due(self) -> int:
        """Send what is due, one attempt each; returns how many attempts were made."""
        with self._parts.control.session() as session:
            due = outbox.claim_due(session, self._parts.clock())
        if due:
            asyncio.run(self._send_all(due))
        return len(due)

    async def _send_all(self, due: Sequence[Sending]) -> None:
        async with httpx.AsyncClient(
            timeout=self._timeout, follow_redirects=False, trust_env=False, verify=self._verify
        ) as client:
            await asyncio.gather(*(self._send(client, sending) for sending in due))

    async def _send(self, client: httpx.AsyncClient, sending: Sending) -> None:
        answer = await self._attempt(client, sending)
        with self._parts.control.session() as session:
            outbox.note(session, sending.id, answer, self._parts.clock())
        self._parts.meters.webhook_attempts.labels("failed" if answer.error else "delivered").inc()
        log.info("webhook_attempt", delivery=sending.id, status=answer.status, error=answer.error)

    async def _attempt(self, client: httpx.AsyncClient, sending: Sending) -> Answer:
        if not sending.url:
            return Answer(None, "the endpoint was removed or disabled", final=True)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(client, sending)
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout:g} seconds")
        except (ssrf.Forbidden, ConfigError) as error:
            return Answer(None, str(error))
        except (OSError, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return Answer(None, f"{type(error).__name__}: {error}")

    async def _post(self, client: httpx.AsyncClient, sending: Sending) -> Answer:
        allow = self._parts.settings.webhook_allow
        target = await asyncio.to_thread(ssrf.check_target, sending.url, allow, self._resolve)
        headers = self._headers(sending)
        for address in target.addresses[:-1]:
            try:
                return await _post_to(client, target, address, sending, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await _post_to(client, target, target.addresses[-1], sending, headers)

    def _headers(self, sending: Sending) -> dict[str, str]:
        secret = signing.Vault(self._parts.settings.home).unlock(sending.secret)
        timestamp = int(self._parts.clock().timestamp())
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": sending.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signing.sign(secret, sending.id, timestamp, sending.body),
        }


async def _post_to(
    client: httpx.AsyncClient,
    target: ssrf.Target,
    address: str,
    sending: Sending,
    headers: dict[str, str],
) -> Answer:
    """POST to the checked address under the original name."""
    original = httpx.URL(sending.url)
    request = client.build_request(
        "POST",
        original.copy_with(host=address, port=target.port),
        headers={**headers, "host": original.netloc.decode("ascii")},
        content=sending.body.encode(),
        extensions={**client_timeout(client), "sni_hostname": target.host},
    )
    response = await client.send(request, stream=True)
    await response.aclose()
    return answer_of(response)


def client_timeout(client: httpx.AsyncClient) -> dict[str, object]:
    """The client's time limits, which extensions of a request would otherwise replace."""
    return {"timeout": client.timeout.as_dict()}


def answer_of(response: httpx.Response) -> Answer:
    """What a response means: 2xx is success; 410 is the end."""
    status = response.status_code
    if response.is_success:
        return Answer(status, "")
    seconds = retry_after(response.headers.get("retry-after", ""), response.headers.get("date", ""))
    return Answer(status, f"HTTP {status}", seconds, final=status == outbox.GONE)


def retry_after(value: str, date: str) -> float:
    """Seconds that a `Retry-After` asks for (RFC 9110, 10.2.3); 0 when it says nothing usable."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    until, now = _http_date(value), _http_date(date)
    return max(0.0, (until - now).total_seconds()) if until and now else 0.0


def _http_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None
