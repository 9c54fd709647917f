-- Late facts about events. Partitioned as events are, so the scores of one event, and the marker
-- `scored` among them, reach one part by one insert: all of them are seen, or none.
CREATE TABLE IF NOT EXISTS {table scores} (
    project LowCardinality(String),
    event_id UUID,
    event_time DateTime64(3, 'UTC') MATERIALIZED UUIDv7ToDateTime(event_id, 'UTC'),
    name LowCardinality(String),
    value Nullable(Float64),
    label String,
    explanation String CODEC(ZSTD(3)),
    spans String CODEC(ZSTD(3)),
    stats Map(LowCardinality(String), Float64),
    source LowCardinality(String),
    metric_version LowCardinality(String),
    model LowCardinality(String),
    sample_weight Float64 DEFAULT 1,
    computed_at DateTime64(6, 'UTC')
)
ENGINE = {replacing computed_at}
PARTITION BY (project, toMonday(event_time))
ORDER BY (project, event_time, event_id, name, source, metric_version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    old_parts_lifetime = 1, min_compressed_bytes_to_fsync_after_merge = 1;

{distributed scores sipHash64(event_id)}
