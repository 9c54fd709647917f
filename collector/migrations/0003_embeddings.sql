-- One vector of one field of one event.
CREATE TABLE IF NOT EXISTS {table embeddings} (
    project LowCardinality(String),
    event_id UUID,
    event_time DateTime64(3, 'UTC') MATERIALIZED UUIDv7ToDateTime(event_id, 'UTC'),
    field LowCardinality(String),
    model LowCardinality(String),
    vector Array(Float32) CODEC(ZSTD(1)),
    computed_at DateTime64(6, 'UTC')
)
ENGINE = {replacing computed_at}
PARTITION BY (project, toMonday(event_time))
ORDER BY (project, event_time, event_id, field, model)
SETTINGS old_parts_lifetime = 1, min_compressed_bytes_to_fsync_after_merge = 1;

{distributed embeddings sipHash64(event_id)}
