"""The control database: projects, keys, leases, incidents, jobs. SQLite by default, PostgreSQL by
URL.

`session()` is one transaction that may write: on SQLite it begins with BEGIN IMMEDIATE, so writers
queue for the lock at the start instead of failing when a read wants to become a write. `reading()`
is one that only reads: with SQLite's WAL it waits for no writer and sees one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from .errors import StoreError, StoreUnreachable

BUSY_SECONDS = 30
POOL_SIZE = 10
READING = "driftline_reading"


class Control:
    """A relational database and its transactions. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._readers = engine.execution_options(**{READING: True})

    @classmethod
    def open(cls, url: str, busy_seconds: float = BUSY_SECONDS) -> Control:
        """Connect to a SQLAlchemy URL; on SQLite a writer waits `busy_seconds` for its turn.

        Raises StoreError when the URL cannot be used.
        """
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "sqlite":
                return cls(_sqlite(url, parsed.database or "", busy_seconds))
            if parsed.drivername in ("postgresql", "postgres"):
                parsed = parsed.set(drivername="postgresql+psycopg")
            return cls(create_engine(parsed, pool_pre_ping=True, pool_size=POOL_SIZE))
        except ModuleNotFoundError as error:
            raise StoreError(
                f"DRIFTLINE_DATABASE_URL needs a driver that is not installed ({error.name}): "
                "for PostgreSQL run pip install 'driftline[postgres]'"
            ) from error
        except SQLAlchemyError as error:
            raise StoreError(f"DRIFTLINE_DATABASE_URL cannot be used: {error}") from error

    def migrate(self, to: str = "head") -> None:
        """Bring the schema to a revision, the newest; does nothing when it is there."""
        config = _alembic()
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, to)

    def behind(self) -> str:
        """The revision that this code needs and the database is not at; "" when it is.

        Raises StoreUnreachable.
        """
        wanted = ScriptDirectory.from_config(_alembic()).get_current_head() or ""
        try:
            with self._readers.connect() as connection:
                found = MigrationContext.configure(connection).get_current_revision()
        except SQLAlchemyError as error:
            raise StoreUnreachable("the control database does not answer") from error
        return "" if found == wanted else wanted

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on an exception.

        Raises StoreUnreachable.
        """
        with _transaction(self.engine) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that only reads, and waits for no writer. Raises StoreUnreachable."""
        with _transaction(self._readers) as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    return config


@contextmanager
def _transaction(engine: Engine) -> Iterator[Session]:
    with Session(engine, expire_on_commit=False) as session:
        try:
            with session.begin():
                yield session
        except (OperationalError, PoolTimeout) as error:
            reason = getattr(error, "orig", None) or error
            raise StoreUnreachable(f"the control database does not answer: {reason}") from error


def _sqlite(url: str, database: str, busy_seconds: float) -> Engine:
    if database and database != ":memory:":
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"timeout": busy_seconds, "check_same_thread": False},
        pool_size=POOL_SIZE,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we send BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get(READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
