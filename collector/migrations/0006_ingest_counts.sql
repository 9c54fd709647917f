-- What was not stored, by reason: `duplicate`, `dropped` (rejected here) and `lost` (by a client).
CREATE TABLE IF NOT EXISTS {table ingest_counts} (
    project LowCardinality(String),
    kind LowCardinality(String),
    reason LowCardinality(String),
    count UInt64
)
ENGINE = {summing count}
ORDER BY (project, kind, reason);

{distributed ingest_counts sipHash64(project)}
