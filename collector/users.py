"""`DELETE /v1/users/{user_id}`: a person asks to be forgotten; `GET /v1/deletions`: the audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from sqlalchemy import select

from driftline.sdk import records as r

from .auth import Caller, require
from .clock import rfc3339
from .deletion import delete_user
from .services import Parts
from .tables import DeletionRow

router = APIRouter(tags=["privacy"])
Admin = Annotated[Caller, Depends(require("admin"))]
UserId = Annotated[str, Path(min_length=1, max_length=1024)]
MOST_DELETIONS = 1000


# `:path`, since ids may hold slashes; an empty one would be everybody who has none.
@router.delete("/v1/users/{user_id:path}")
def delete(user_id: UserId, caller: Admin, parts: Parts) -> r.Deletion:
    """Remove everything of a user; late retries of it are dropped as `deleted_user`."""
    row, erased = delete_user(parts, caller.project, user_id, caller.key_id)
    return _deletion(row, erased)


@router.get("/v1/deletions")
def deletions(caller: Admin, parts: Parts) -> dict[str, list[r.Deletion]]:
    """The privacy requests of the project, newest first, without the users' ids."""
    query = (
        select(DeletionRow)
        .where(DeletionRow.project_id == caller.project)
        .order_by(DeletionRow.asked_at.desc())
        .limit(MOST_DELETIONS)
    )
    with parts.control.reading() as session:
        found = session.scalars(query)
        return {"deletions": [_deletion(row, row.finished_at is not None) for row in found]}


def _deletion(row: DeletionRow, erased: bool) -> r.Deletion:
    return r.Deletion(
        id=row.id,
        asked_at=rfc3339(row.asked_at),
        finished_at=rfc3339(row.finished_at) if row.finished_at else None,
        events=row.events,
        scores=row.scores,
        embeddings=row.embeddings,
        weeks=row.weeks,
        erased=erased,
    )
