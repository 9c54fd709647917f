"""Projects and their API keys."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from driftline.sdk import records as r

from . import keys
from .auth import Caller, require
from .clock import rfc3339
from .ids import new_id
from .problem import Problem, not_found
from .services import Parts, Services
from .tables import KeyRow, ProjectRow

router = APIRouter(tags=["projects"])
Admin = Annotated[Caller, Depends(require("admin", project=False))]
Reader = Annotated[Caller, Depends(require("read", project=False))]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class NewProject(BaseModel):
    name: Name


class NewKey(BaseModel):
    """`project` "" makes a service key, which only a service key of scope admin may do."""

    project: str = ""
    scope: Literal["ingest", "read", "work", "admin"]
    name: str = Field("", max_length=200)


@router.post("/v1/projects")
def create_project(body: NewProject, caller: Admin, parts: Parts) -> r.Project:
    """Create a project, or return the one of that name."""
    _need_service(caller)
    with suppress(IntegrityError):  # somebody else makes it right now: it is there when we look
        return _project(_found_or_made(parts, body.name))
    return _project(_found_or_made(parts, body.name))


def _found_or_made(parts: Services, name: str) -> ProjectRow:
    with parts.control.session() as session:
        row = session.scalars(select(ProjectRow).where(ProjectRow.name == name)).first()
        if row is None:
            row = ProjectRow(
                id=new_id("prj"),
                name=name,
                created_at=parts.clock(),
                monitor=r.encode(r.Monitor()),
                settings={},
                reference_id="",
                scored_through=None,
            )
            session.add(row)
        return row


@router.get("/v1/projects")
def list_projects(caller: Reader, parts: Parts) -> dict[str, list[r.Project]]:
    with parts.control.reading() as session:
        query = select(ProjectRow).order_by(ProjectRow.created_at)
        if not caller.is_service:
            query = query.where(ProjectRow.id == caller.project)
        return {"projects": [_project(row) for row in session.scalars(query)]}


@router.post("/v1/keys")
def create_key(body: NewKey, caller: Admin, parts: Parts, request: Request) -> r.ApiKey:
    """Make a key; the answer is the only time it is shown."""
    minted = keys.mint()
    with parts.control.session() as session:
        project = _project_of_key(caller, body.project or caller.project)
        row = KeyRow(
            id=minted.id,
            project_id=project,
            scope=body.scope,
            name=body.name,
            digest=minted.digest,
            last4=minted.last4,
            created_at=parts.clock(),
            revoked_at=None,
        )
        session.add(row)
        record = _key(row)
    request.app.state.keyring.forget()
    return r.ApiKey(**{**r.encode(record), "secret": minted.text})


@router.get("/v1/keys")
def list_keys(caller: Admin, parts: Parts) -> dict[str, list[r.ApiKey]]:
    with parts.control.reading() as session:
        query = select(KeyRow).order_by(KeyRow.created_at)
        if caller.project:
            query = query.where(KeyRow.project_id == caller.project)
        return {"keys": [_key(row) for row in session.scalars(query)]}


@router.delete("/v1/keys/{key_id}")
def revoke_key(key_id: str, caller: Admin, parts: Parts, request: Request) -> r.ApiKey:
    """Revoke a key; doing it twice is fine."""
    with parts.control.session() as session:
        row = session.get(KeyRow, key_id)
        if row is None or (not caller.is_service and row.project_id != caller.project):
            raise not_found("key", key_id)
        row.revoked_at = row.revoked_at or parts.clock()
        record = _key(row)
    request.app.state.keyring.forget()
    return record


def _need_service(caller: Caller) -> None:
    if not caller.is_service:
        raise Problem(403, "project", "only a key that spans projects may do this")


def _project_of_key(caller: Caller, wanted: str) -> str:
    """The id of the project that a new key is for; "" for a service key."""
    if wanted and wanted not in (caller.project, caller.project_name):
        raise Problem(
            403,
            "project",
            "name the key's project in the header Driftline-Project",
            field="project",
        )
    if not wanted:
        _need_service(caller)
    return caller.project


def _project(row: ProjectRow) -> r.Project:
    return r.Project(row.id, row.name, rfc3339(row.created_at))


def _key(row: KeyRow) -> r.ApiKey:
    return r.ApiKey(
        id=row.id,
        project=row.project_id,
        scope=row.scope,  # type: ignore[arg-type]  # the column holds nothing else
        name=row.name,
        created_at=rfc3339(row.created_at),
        revoked_at=rfc3339(row.revoked_at) if row.revoked_at else "",
        last4=row.last4,
        public_key=f"pk-dl-{row.id}",
    )
