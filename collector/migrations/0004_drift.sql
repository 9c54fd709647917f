-- One row an evaluated window; `result` is the JSON of a DriftResult.
CREATE TABLE IF NOT EXISTS {table drift} (
    project LowCardinality(String),
    window_id String,
    `index` UInt64,
    reference String,
    `start` DateTime64(6, 'UTC'),
    `end` DateTime64(6, 'UTC'),
    n_reference UInt64,
    n_current UInt64,
    decision LowCardinality(String),
    result String CODEC(ZSTD(3)),
    computed_at DateTime64(6, 'UTC')
)
ENGINE = {replacing computed_at}
ORDER BY (project, window_id);

{distributed drift sipHash64(project)}
