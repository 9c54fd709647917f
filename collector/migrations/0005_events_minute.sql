-- What charts read: a pure function of the events of one minute (of the id's time) and its
-- dimensions, computed again whenever a minute gains events. docs/decisions says why it is no view.
-- The dimensions never change; whose word a cost is does (a price is set, costs are computed again), so
-- `by_source` holds sums by it. `estimated_…` weighs each event with the inverse of the chance that its sender kept it.
CREATE TABLE IF NOT EXISTS {table events_minute} (
    project LowCardinality(String),
    minute DateTime64(0, 'UTC'),
    environment LowCardinality(String),
    model LowCardinality(String),
    variant LowCardinality(String),
    kind LowCardinality(String),
    status LowCardinality(String),
    provider LowCardinality(String),
    events UInt64,
    input_tokens UInt64,
    output_tokens UInt64,
    cost Float64,
    by_source Tuple(
        source Array(String), events Array(UInt64), input_tokens Array(UInt64),
        output_tokens Array(UInt64), cost Array(Float64)
    ),
    estimated_events Float64,
    estimated_errors Float64,
    estimated_input_tokens Float64,
    estimated_output_tokens Float64,
    estimated_cost Float64,
    latency AggregateFunction(quantilesTDigest(0.5, 0.95), Float32),
    computed_at DateTime64(6, 'UTC')
)
ENGINE = {replacing computed_at}
PARTITION BY toYear(minute)
ORDER BY (project, minute, environment, model, variant, kind, status, provider);

{distributed events_minute sipHash64(project)}
