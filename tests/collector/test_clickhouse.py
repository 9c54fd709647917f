"""The store: one class over the embedded engine and over a server."""

import io
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pyarrow.ipc
import pytest

from driftline.collector.clickhouse import ClickHouse
from driftline.collector.errors import BadRows, ConfigError, StoreError, StoreUnreachable

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)
NASTY = ["", "\\N", "it's", "a\tb\nc\\n", "{x:String}", "\x00", "😀", "%s %(a)s $1 ?", "\\'"]


@pytest.mark.parametrize("text", NASTY)
def test_a_bound_text_comes_back_as_it_went(clickhouse, text):
    sql = "SELECT {text:String}, {texts:Array(String)}"
    assert clickhouse.query(sql, text=text, texts=[text, "b"]) == [(text, [text, "b"])]


def test_a_bound_time_keeps_its_microseconds_and_its_zone(clickhouse):
    time = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    ((found,),) = clickhouse.query("SELECT {time:DateTime64(6, 'UTC')}", time=time)
    assert (found, found.utcoffset()) == (time, timedelta(0))


def test_many_ids_can_be_bound(clickhouse, uuid7):
    ids = [uuid7() for _ in range(5000)]
    assert clickhouse.query("SELECT length({ids:Array(UUID)})", ids=ids) == [(5000,)]


def test_rows_have_names_and_types(clickhouse, uuid7):
    event_id = UUID(uuid7())
    (row,) = clickhouse.rows("SELECT {id:UUID} AS id, map('a', 1) AS m, NULL AS n", id=event_id)
    assert row == {"id": event_id, "m": {"a": 1}, "n": None}


def test_a_result_can_be_an_arrow_stream(clickhouse):
    data = clickhouse.raw("SELECT number AS n, [toFloat32(n)] AS v FROM numbers(3)", "ArrowStream")
    table = pyarrow.ipc.open_stream(io.BytesIO(data)).read_all()
    assert table.to_pydict() == {"n": [0, 1, 2], "v": [[0.0], [1.0], [2.0]]}


def test_what_was_inserted_is_there_at_once(clickhouse, uuid7):
    clickhouse.insert("embeddings", [embedding(uuid7(), "there")])
    found = clickhouse.query("SELECT vector FROM embeddings WHERE project = 'there'")
    assert found == [([0.5, 1.5],)]


def embedding(event_id, project):
    named = {"event_id": event_id, "project": project, "field": "prompt", "model": "m"}
    return {**named, "vector": [0.5, 1.5], "computed_at": datetime(2026, 1, 1, tzinfo=UTC)}


def test_the_same_rows_inserted_again_are_rows_of_the_same_key(clickhouse, uuid7):
    """No log of inserts decides what is new: after kill -9 it may know more than there is."""
    row = embedding(uuid7(), "again")
    for _ in range(3):
        clickhouse.insert("embeddings", [row])
    assert count(clickhouse, "again") == 3
    assert count(clickhouse, "again", "FINAL") == 1


def test_no_table_keeps_a_log_of_inserts(clickhouse):
    """docs/decisions/0036: with one, kill -9 at the wrong moment loses what is acknowledged."""
    sql = "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
    tables = dict(clickhouse.query(sql))
    assert {"events", "scores", "embeddings"} <= set(tables)
    assert not [name for name, made in tables.items() if "deduplication_window" in made]


def count(clickhouse, project, final=""):
    sql = f"SELECT count() FROM embeddings {final} WHERE project = {{project:String}}"
    return clickhouse.query(sql, project=project)[0][0]


def test_a_refused_insert_stores_nothing_and_does_not_quote_its_rows(clickhouse, uuid7):
    rows = [embedding(uuid7(), "bad"), {**embedding(uuid7(), "bad"), "event_id": "my secret"}]
    with pytest.raises(BadRows) as refused:
        clickhouse.insert("embeddings", rows)
    assert "secret" not in str(refused.value)
    assert count(clickhouse, "bad") == 0


def test_a_missing_table_is_not_the_fault_of_the_rows(clickhouse):
    with pytest.raises(StoreError) as refused:
        clickhouse.insert("nowhere", [{"a": 1}])
    assert not isinstance(refused.value, BadRows)


def test_an_unknown_column_is_refused(clickhouse, uuid7):
    with pytest.raises(BadRows):
        clickhouse.insert("embeddings", [{**embedding(uuid7(), "x"), "colour": "red"}])


def test_a_row_without_a_json_form_is_refused(clickhouse):
    with pytest.raises(BadRows):
        clickhouse.insert("embeddings", [{"project": object()}])


def test_a_wrong_statement_is_an_error_of_the_store(clickhouse):
    with pytest.raises(StoreError):
        clickhouse.query("SELECT nothing FROM nowhere")
    assert clickhouse.query("SELECT 1") == [(1,)]


def test_a_batch_may_span_ten_years(clickhouse, uuid7):
    month = timedelta(days=30) // timedelta(milliseconds=1)
    rows = [embedding(uuid7(1_790_000_000_000 - i * month), "decade") for i in range(101)]
    clickhouse.insert("embeddings", rows)
    assert count(clickhouse, "decade") == 101


def test_threads_share_it(clickhouse, uuid7):
    failures = []

    def use(number):
        try:
            for _ in range(10):
                assert clickhouse.query("SELECT {n:UInt32}", n=number) == [(number,)]
                clickhouse.insert("embeddings", [embedding(uuid7(), "threads")])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert count(clickhouse, "threads") == 80


def test_a_read_does_not_wait_for_a_long_read(clickhouse):
    started, done = threading.Event(), threading.Event()

    def slow():
        started.set()
        clickhouse.query("SELECT sleepEachRow(0.5) FROM numbers(2) SETTINGS max_block_size = 1")
        done.set()

    thread = threading.Thread(target=slow)
    thread.start()
    started.wait()
    assert clickhouse.query("SELECT 1") == [(1,)]
    assert not done.is_set()
    thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgres://x",
        "chdb://",
        "chdb:///",
        "clickhouse://h/a;b",
        "clickhouse://h/d?cluster=a'b",
    ],
)
def test_a_wrong_url_is_a_clear_error(url, clickhouse_url):
    with pytest.raises(ConfigError, match="DRIFTLINE_CLICKHOUSE_URL"):
        ClickHouse.open(url)


def test_a_server_that_is_not_there_is_unreachable(clickhouse_url):
    with pytest.raises(StoreUnreachable, match=r"127\.0\.0\.1:1"):
        ClickHouse.open("clickhouse://127.0.0.1:1/driftline")


def test_a_wrong_password_is_refused_without_being_shown(clickhouse_server, clickhouse_url):
    address = clickhouse_server.rpartition("@")[2]
    with pytest.raises(StoreError) as refused:
        ClickHouse.open(f"clickhouse://driftline:hunter2@{address}/x")
    assert "hunter2" not in str(refused.value)
