-- One immutable wide row a span. Sort and partition columns come from the id, which never changes,
-- so a repeated id replaces its own row. Lists and charts read the narrow columns only. A partition is
-- a project's week: retention drops it whole. Merged parts are synced before the parts they replace
-- go (after 1 s, not 8 minutes), so deleted text leaves the disk and a power cut loses nothing.
-- Merging was most of what an insert costs: parts of less than 256 MiB are one file, not 150 to sync,
-- and more of them are merged at once (decision 34).
-- A granule holds 2,048 rows at most: a page of a user or a session picks single rows out of many.
CREATE TABLE IF NOT EXISTS {table events} (
    project LowCardinality(String),
    id UUID,
    id_time DateTime64(3, 'UTC') MATERIALIZED UUIDv7ToDateTime(id, 'UTC'),
    trace_id String,
    span_id String,
    parent_id String,
    session_id String,
    user_id String,
    kind LowCardinality(String) DEFAULT 'llm',
    name String,
    start_time DateTime64(6, 'UTC'),
    end_time DateTime64(6, 'UTC'),
    latency_ms Float64,
    time_to_first_token_ms Nullable(Float64),
    model LowCardinality(String),
    provider LowCardinality(String),
    variant LowCardinality(String),
    prompt_name LowCardinality(String),
    prompt_version LowCardinality(String),
    environment LowCardinality(String),
    release LowCardinality(String),
    status LowCardinality(String) DEFAULT 'ok',
    error String CODEC(ZSTD(3)),
    input_tokens UInt64,
    output_tokens UInt64,
    usage Map(LowCardinality(String), UInt64),
    cost Nullable(Float64),
    cost_source LowCardinality(String),
    tags Array(String),
    metadata Map(String, String) CODEC(ZSTD(3)),
    sample_weight Float64 DEFAULT 1,
    input_preview String CODEC(ZSTD(3)),
    output_preview String CODEC(ZSTD(3)),
    input String DEFAULT '[]' CODEC(ZSTD(3)),
    output String CODEC(ZSTD(3)),
    context Array(String) CODEC(ZSTD(3)),
    token_logprobs Array(Float32) CODEC(ZSTD(3)),
    truncated Map(String, UInt64),
    ingested_at DateTime64(6, 'UTC'),
    INDEX by_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_session session_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_user user_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_arrival ingested_at TYPE minmax GRANULARITY 1
)
ENGINE = {replacing ingested_at}
PARTITION BY (project, toMonday(id_time))
ORDER BY (project, id_time, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    min_bytes_for_wide_part = 268435456, merge_selector_base = 16,
    old_parts_lifetime = 1, min_compressed_bytes_to_fsync_after_merge = 1,
    index_granularity = 2048;

{distributed events sipHash64(id)}
