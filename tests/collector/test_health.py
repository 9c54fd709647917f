"""Health and metrics: what supervisors and Prometheus see."""

import re
from pathlib import Path

from sqlalchemy import column, table, update

from driftline.collector import control


def metric(front, name):
    """The value of a sample in /metrics, 0 when it is not there."""
    text = front.client.get("/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_health_needs_no_key(front):
    assert front.client.get("/healthz").json() == {"status": "ok"}
    assert front.client.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_what_ingestion_did(front, event):
    names = {
        "driftline_ingest_accepted_total": 1,
        "driftline_ingest_duplicates_total": 1,
        'driftline_ingest_rejected_total{reason="invalid_json"}': 1,
        'driftline_ingest_warnings_total{reason="unknown_field"}': 2,
        'driftline_ingest_client_lost_total{reason="queue_full"}': 7,
        "driftline_ingest_commit_seconds_count": 1,
    }
    before = {name: metric(front, name) for name in names}
    line = event(colour=1)
    front.send(line, line, b"{", {"type": "loss", "reason": "queue_full", "count": 7})
    assert {name: metric(front, name) - before[name] for name in names} == names
    assert metric(front, "driftline_ingest_queue_rows") >= 0


def test_a_request_is_measured_under_its_route(front):
    front.get("/v1/events/nothing", expect=404)
    name = (
        'driftline_request_seconds_count{method="GET",route="/v1/events/{event_id}",status="404"}'
    )
    assert metric(front, name) >= 1


def test_a_collector_without_its_tables_is_not_ready(front):
    clickhouse = front.services.clickhouse
    clickhouse.command("RENAME TABLE schema_migrations TO away")
    try:
        response = front.client.get("/readyz")
        assert response.status_code == 503
        assert response.headers["Retry-After"]
        assert "ClickHouse" in response.json()["message"]
        assert front.client.get("/healthz").status_code == 200
    finally:
        clickhouse.command("RENAME TABLE away TO schema_migrations")


def test_a_collector_with_an_old_control_database_is_not_ready(front):
    revision = update(table("alembic_version", column("version_num")))
    with front.services.control.session() as session:
        session.execute(revision.values(version_num="0001"))
    try:
        response = front.client.get("/readyz")
        assert response.status_code == 503
        assert "driftline migrate" in response.json()["message"]
    finally:
        with front.services.control.session() as session:
            session.execute(revision.values(version_num=newest_revision()))


def newest_revision():
    folder = Path(control.__file__).with_name("alembic") / "versions"
    return max(path.name[:4] for path in folder.glob("*.py"))


def test_a_failure_inside_is_a_500_with_a_request_id_and_no_details(front):
    clickhouse = front.services.clickhouse
    clickhouse.command("RENAME TABLE events TO events_away")
    try:
        response = front.client.get("/v1/events", headers=front.headers)
        assert response.status_code == 500
        assert response.json()["request_id"] == response.headers["X-Request-Id"]
        assert "events" not in response.json()["message"]
    finally:
        clickhouse.command("RENAME TABLE events_away TO events")


def test_the_api_describes_itself(front):
    paths = front.client.get("/openapi.json").json()["paths"]
    assert {"/v1/events", "/v1/traces", "/v1/overview", "/v1/scores/series"} <= set(paths)
