"""The control database: projects, keys, leases, incidents, jobs. SQLite by default, PostgreSQL by
URL.

`session()` is one transaction. On SQLite every one of them begins as a writer (BEGIN IMMEDIATE):
two collectors' threads
queue for the lock at the start instead of failing when a read wants to become a write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from .errors import StoreError, StoreUnreachable

BUSY_SECONDS = 30


class Control:
    """A relational database and its transactions. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Control:
        """Connect to a SQLAlchemy URL. Raises StoreError when it is not one."""
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "sqlite":
                return cls(_sqlite(url, parsed.database or ""))
            return cls(create_engine(url, pool_pre_ping=True, pool_size=10))
        except (SQLAlchemyError, ModuleNotFoundError) as error:
            raise StoreError(f"DRIFTLINE_DATABASE_URL cannot be used: {error}") from error

    def migrate(self) -> None:
        """Bring the schema to the newest revision; does nothing when it is there."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on an exception."""
        with Session(self.engine, expire_on_commit=False) as session:
            try:
                with session.begin():
                    yield session
            except OperationalError as error:
                raise StoreUnreachable(
                    f"the control database does not answer: {error.orig}"
                ) from error

    def ping(self) -> bool:
        """Whether the database answers."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        self.engine.dispose()


def _sqlite(url: str, database: str) -> Engine:
    if database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin_as_writer)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we send BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_as_writer(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
