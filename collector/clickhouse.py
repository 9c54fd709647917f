"""ClickHouse, embedded in this process (`chdb:///path`) or a server (`clickhouse[s]://…`).

One engine, one SQL: `clickhouse-connect` speaks to both. A client of it serialises its calls, so
this class keeps a few of them: reads do not wait behind a long insert. Values reach SQL only as
server-side bound parameters, written `{name:Type}`.
"""

from __future__ import annotations

import queue
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import clickhouse_connect
import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from .errors import BadRows, ConfigError, StoreError, StoreUnreachable
from .lockfile import Lockfile

Row = Mapping[str, object]
T = TypeVar("T")

READERS = 4
WRITERS = 2
QUERY_SECONDS = 60
CONNECT_SECONDS = 5
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# ClickHouse's ErrorCodes.cpp. Of the first the server is short; the second blame the rows. An error
# in neither list is nobody's rows' fault: they are kept by their sender, never dropped for it.
TRANSIENT_CODES = frozenset({159, 164, 202, 209, 210, 241, 242, 243, 252, 319, 394, 999})
ROW_CODES = frozenset(
    {6, 25, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 128, 130, 131, 349, 376, 407, 441, 467}
)
QUERY_SETTINGS: dict[str, Any] = {"max_execution_time": QUERY_SECONDS}
INSERT_SETTINGS: dict[str, Any] = {
    "async_insert": 0,  # the answer means "written"
    "date_time_input_format": "best_effort",
    "input_format_json_read_arrays_as_strings": 1,
    "input_format_skip_unknown_fields": 0,
    "max_partitions_per_insert_block": 0,  # a batch may span the ten years that are accepted
}
# Less than one piece of parallel parsing: more threads would only hand it around.
PARALLEL_BYTES = 10 * 2**20
ONE_THREAD = {"max_threads": 1, "max_insert_threads": 1, "input_format_parallel_parsing": 0}


class ClickHouse:
    """A thread-safe, synchronous pool of clients. Raises StoreError and its kinds."""

    def __init__(self, connect: Callable[[], Client], cluster: str, lock: Lockfile | None) -> None:
        self.cluster = cluster
        self._lock = lock
        self._readers = _Pool(connect, READERS)
        self._writers = _Pool(connect, WRITERS)
        self._insert_settings = dict(INSERT_SETTINGS)
        if cluster:
            self._insert_settings["distributed_foreground_insert"] = 1

    @classmethod
    def open(cls, url: str) -> ClickHouse:
        """Connect. Raises StoreInUse, StoreUnreachable or ConfigError, saying what to do."""
        parts = urlsplit(url)
        if parts.scheme == "chdb":
            return cls._open_embedded(parts.path)
        if parts.scheme in ("clickhouse", "clickhouses"):
            return cls._open_server(url)
        raise ConfigError(
            "DRIFTLINE_CLICKHOUSE_URL must begin with chdb:///, clickhouse:// or clickhouses://, "
            f"not {parts.scheme!r}"
        )

    @classmethod
    def _open_embedded(cls, path: str) -> ClickHouse:
        if not path or path == "/":
            raise ConfigError(
                "DRIFTLINE_CLICKHOUSE_URL names no directory: use chdb:///a/directory"
            )
        directory = unquote(path)
        lock = Lockfile.take(directory)

        def connect() -> Client:
            settings = dict(QUERY_SETTINGS)
            return clickhouse_connect.get_client(
                interface="chdb", path=directory, settings=settings, tz_mode="aware"
            )

        try:
            return cls._checked(cls(connect, "", lock), directory)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open_server(cls, url: str) -> ClickHouse:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        database = parts.path.strip("/") or "default"
        cluster = options.get("cluster", "")
        for name in filter(None, (database, cluster)):
            if not IDENTIFIER.fullmatch(name):
                raise ConfigError(f"{name!r} in DRIFTLINE_CLICKHOUSE_URL is not a plain name")
        secure = parts.scheme == "clickhouses"

        def connect_to(database: str) -> Client:
            return clickhouse_connect.get_client(
                host=parts.hostname or "localhost",
                port=parts.port or (8443 if secure else 8123),
                username=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                database=database,
                interface="https" if secure else "http",
                verify=options.get("verify", "1") not in ("0", "false"),
                connect_timeout=CONNECT_SECONDS,
                send_receive_timeout=QUERY_SECONDS + 10,
                autogenerate_session_id=False,
                settings=dict(QUERY_SETTINGS),
                tz_mode="aware",
            )

        where = f"{parts.hostname}:{parts.port or (8443 if secure else 8123)}"
        with _errors(f"ClickHouse at {where}"):
            _create_database(connect_to("default"), database, cluster)
        return cls._checked(cls(lambda: connect_to(database), cluster, None), where)

    @classmethod
    def _checked(cls, opened: ClickHouse, where: str) -> ClickHouse:
        with _errors(f"ClickHouse at {where}"):
            opened.query("SELECT 1")
        return opened

    @property
    def embedded(self) -> bool:
        """Whether it runs in this process, so that no other collector uses it."""
        return self._lock is not None

    # ------------------------------------------------------------------ reads

    def query(self, sql: str, /, **params: object) -> list[tuple[Any, ...]]:
        """The rows of a SELECT. Times are aware datetimes in UTC, UUIDs are `uuid.UUID`."""
        bound = _bind(params)
        return self._read(
            lambda client: [*map(tuple, client.query(sql, parameters=bound).result_rows)]
        )

    def rows(self, sql: str, /, **params: object) -> list[dict[str, Any]]:
        """The rows of a SELECT, by column name."""
        bound = _bind(params)
        return self._read(lambda client: list(client.query(sql, parameters=bound).named_results()))

    def raw(self, sql: str, fmt: str, /, **params: object) -> bytes:
        """The result of a SELECT in a ClickHouse format, e.g. "ArrowStream"."""
        bound = _bind(params)
        return self._read(lambda client: client.raw_query(sql, parameters=bound, fmt=fmt))

    def _read(self, use: Callable[[Client], T]) -> T:
        with self._readers.client() as client, _errors("query"):
            return use(client)

    # ----------------------------------------------------------------- writes

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Write rows, all or none of a partition; on return they are in ClickHouse.

        Raises BadRows when the rows are at fault, StoreUnreachable when not.
        """
        self.insert_lines(table, b"\n".join(encode(row) for row in rows))

    def insert_lines(self, table: str, lines: bytes) -> None:
        """Write rows that are JSON lines already."""
        if not lines:
            return
        settings = self._insert_settings
        if len(lines) < PARALLEL_BYTES:
            settings = settings | ONE_THREAD
        with self._writers.client() as client, _errors(f"insert into {table}", BadRows):
            client.raw_insert(table, insert_block=lines, fmt="JSONEachRow", settings=settings)

    def command(self, sql: str, /, **params: object) -> None:
        """Run a statement that answers no rows (DDL, INSERT … SELECT)."""
        bound = _bind(params)
        with self._writers.client() as client, _errors("command"):
            client.command(sql, parameters=bound)

    def close(self) -> None:
        """Wait for what is running, close every client and free the directory."""
        self._readers.close()
        self._writers.close()
        if self._lock is not None:
            self._lock.release()


class _Pool:
    """At most `size` clients, made when first needed, the most recently used first."""

    def __init__(self, connect: Callable[[], Client], size: int) -> None:
        self._connect = connect
        self._size = size
        self._slots: queue.LifoQueue[Client | None] = queue.LifoQueue()
        for _ in range(size):
            self._slots.put(None)

    @contextmanager
    def client(self) -> Iterator[Client]:
        client = self._slots.get()
        try:
            if client is None:
                with _errors("connect"):
                    client = self._connect()
            yield client
        finally:
            self._slots.put(client)

    def close(self) -> None:
        """Close the clients; those in use are waited for."""
        for client in [self._slots.get() for _ in range(self._size)]:
            if client is not None:
                client.close()
        for _ in range(self._size):
            self._slots.put(None)


def encode(row: object) -> bytes:
    """A mapping or a dataclass as one JSON line. Raises BadRows when it has no JSON form."""
    try:
        return orjson.dumps(row, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)
    except TypeError as error:
        raise BadRows(f"a row has no JSON form: {error}") from None


def _bind(params: Mapping[str, object]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in params.items()}


def _plain(value: object) -> object:
    """Datetimes as UTC text, since the driver drops their microseconds; the rest as it is."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value


@contextmanager
def _errors(doing: str, rejected: type[StoreError] = StoreError) -> Iterator[None]:
    """Turn the driver's errors into ours; `rejected` is what a refusal becomes."""
    try:
        yield
    except OperationalError as error:
        raise StoreUnreachable(f"{doing}: {_short(error)}") from error
    except DatabaseError as error:
        raise _kind(error.code, rejected)(f"{doing}: {_short(error)}") from error
    except ClickHouseError as error:
        raise StoreError(f"{doing}: {_short(error)}") from error


def _kind(code: int | None, rejected: type[StoreError]) -> type[StoreError]:
    if not code or code in TRANSIENT_CODES:
        return StoreUnreachable
    return rejected if code in ROW_CODES else StoreError


def _short(error: Exception) -> str:
    """The head of the message only: ClickHouse quotes the rows it could not read after it."""
    code = getattr(error, "code", None)
    name = getattr(error, "name", None)
    return f"{name} ({code})" if name else str(error).split(":", 1)[0][:200]


def _create_database(client: Client, database: str, cluster: str) -> None:
    found = client.query(
        "SELECT count() FROM system.databases WHERE name = {name:String}",
        parameters={"name": database},
    ).result_rows
    if not found[0][0]:
        on_cluster = f" ON CLUSTER '{cluster}'" if cluster else ""
        client.command(f"CREATE DATABASE IF NOT EXISTS {database}{on_cluster}")
    client.close()
