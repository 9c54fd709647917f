"""Who is calling, and may they? `Depends(require("read"))` gives a handler its `Caller`, or the
request a 401 or 403.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from . import keys
from .control import Control
from .problem import Problem
from .tables import KeyRow, ProjectRow

CACHE_SECONDS = 5.0  # a revoked key, or a renamed project, is forgotten within this time
CACHE_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key. `project` is the project's id, "" when a service key named none."""

    key_id: str
    scope: str
    project: str
    project_name: str
    is_service: bool


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    until: float


class KeyRing:
    """Checks keys, and remembers the answer for a few seconds so that ingestion need not ask per
    request.
    """

    def __init__(
        self, control: Control, admin_key: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._control = control
        self._admin_digest = keys.digest(admin_key)
        self._monotonic = monotonic
        self._known: dict[tuple[str, str], _Known] = {}

    def caller(self, key: str, project: str) -> Caller:
        """The holder of `key`, speaking for the project of that name or id. Raises Problem 401,
        403 or 404.
        """
        entry = (keys.digest(key), project)
        known = self._known.get(entry)
        if known is not None and known.until > self._monotonic():
            return known.caller
        caller = self._look_up(key, project)
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
        self._known[entry] = _Known(caller, self._monotonic() + CACHE_SECONDS)
        return caller

    def forget(self) -> None:
        """Look every key up again: one was made or revoked."""
        self._known.clear()

    def _look_up(self, key: str, project: str) -> Caller:
        with self._control.reading() as session:
            key_id, scope, own = "admin", "admin", ""
            if not keys.matches(key, self._admin_digest):
                row = session.get(KeyRow, keys.key_id(key) or "-")
                if row is None or row.revoked_at or not keys.matches(key, row.digest):
                    raise Problem(
                        401, "bad_key", "this API key is unknown or revoked", headers=CHALLENGE
                    )
                key_id, scope, own = row.id, row.scope, row.project_id
            if not own and not project:
                return Caller(key_id, scope, "", "", True)
            found = session.get(ProjectRow, own) if own else _project(session, project)
            if found is None:
                raise Problem(
                    404, "no_project", f"there is no project {project[:100]!r}", field=HEADER
                )
            if own and project and project not in (found.id, found.name):
                raise Problem(403, "project", "this key belongs to another project", field=HEADER)
            return Caller(key_id, scope, found.id, found.name, not own)


def _project(session: Session, wanted: str) -> ProjectRow | None:
    """The project of that name, else of that id."""
    named = session.scalars(select(ProjectRow).where(ProjectRow.name == wanted)).first()
    return named or session.get(ProjectRow, wanted)


HEADER = "Driftline-Project"
CHALLENGE = {"WWW-Authenticate": "Bearer"}


def identify(request: Request) -> Caller:
    """The caller of `request`. Raises Problem."""
    headers = request.headers
    key = credential(headers.get("Authorization", ""), headers.get("x-api-key", ""))
    ring: KeyRing = request.app.state.keyring
    return ring.caller(key, unquote(headers.get(HEADER, "")))


def credential(authorization: str, api_key: str = "") -> str:
    """The secret key of a request. Raises Problem 401.

    `Bearer sk-dl-…`; `Basic` with `pk-dl-…` as the user and `sk-dl-…` as the password, as clients
    of Langfuse send theirs; or the header x-api-key.
    """
    scheme, _, given = authorization.partition(" ")
    key = api_key.strip()
    if scheme.lower() == "bearer":
        key = given.strip() or key
    elif scheme.lower() == "basic":
        key = _password(given.strip())
    if not key:
        words = "send the API key as 'Authorization: Bearer sk-dl-…'"
        raise Problem(401, "no_key", words, headers=CHALLENGE)
    return key


def _password(encoded: str) -> str:
    """Of `user:password`, when the user is the public half of the password, or absent."""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return ""
    if user and user != keys.public_key(password):
        words = "the public key does not belong to the secret key"
        raise Problem(401, "bad_key", words, headers=CHALLENGE)
    return password


def require(scope: str, *, project: bool = True) -> Callable[[Request], Caller]:
    """A dependency: a caller that holds `scope` and, unless `project` is False, speaks for a
    project.
    """

    def dependency(request: Request) -> Caller:
        caller = identify(request)
        if not keys.allows(caller.scope, scope):
            message = f"this key has scope {caller.scope!r}, which does not include {scope!r}"
            raise Problem(403, "scope", message)
        if project and not caller.project:
            message = f"this key spans projects: name one in the header {HEADER}"
            raise Problem(400, "no_project", message, field=HEADER)
        return caller

    return dependency
