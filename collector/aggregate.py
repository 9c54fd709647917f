"""How the scores of many events become one number.

Perplexities and bits per byte come from their sufficient statistics, exp(Σ nll / Σ tokens) and
Σ nll / ln 2 / Σ bytes: a mean of perplexities would weigh a short answer as much as a long one.
Every other score is the mean weighted with `sample_weight`.
"""

from __future__ import annotations

PERPLEXITY = ("prompt_perplexity", "response_perplexity", "whole_perplexity", "provider_perplexity")
BITS_PER_BYTE = ("prompt_bits_per_byte", "response_bits_per_byte", "whole_bits_per_byte")

# The latest score of each name of an event, with the stats and weight of the same row. A worker's
# goes before others of the same name: what a person says of a few is no sample of them.
FIRST = "tuple(source = 'worker', computed_at)"
# Rows of one source and version take each other's place, as a merge will do it: the newest stands,
# also when it has no value. `<where>` is replaced.
STANDING = """
SELECT event_id, name, source, metric_version, argMax(tuple(value), computed_at).1 AS said,
       max(computed_at) AS said_at
FROM scores WHERE <where> GROUP BY event_id, name, source, metric_version HAVING said IS NOT NULL
"""
# What a list shows of an event's score, out of STANDING. Rows of one moment (an app's and a
# person's in one batch) have an order too, so that every read picks the same one.
SHOWN = "argMax(said, tuple(source = 'worker', said_at, source, metric_version))"
LATEST = f"""
SELECT event_id, event_time, name, latest.1 AS value, latest.2 AS stats, latest.3 AS weight FROM (
    SELECT event_id, event_time, name,
           argMax(tuple(value, stats, sample_weight), {FIRST}) AS latest
    FROM scores WHERE <where> GROUP BY event_id, event_time, name
)
"""
# Of each metric the version of today only; people's and apps' scores have none, nor has a metric
# whose card nobody announced.
TODAY = """
AND (source != 'worker' OR metric_version = transform(
    toString(name), {metrics:Array(String)}, {versions:Array(String)}, toString(metric_version)))
"""
# The aggregate of rows of LATEST that share a name; after an @ comes a further reference model's.
VALUE = f"""
multiIf(
    splitByChar('@', any(name))[1] IN {PERPLEXITY},
        exp(sum(stats['nll_sum']) / nullIf(sum(stats['n_tokens']), 0)),
    splitByChar('@', any(name))[1] IN {BITS_PER_BYTE},
        sum(stats['nll_sum']) / log(2) / nullIf(sum(stats['n_bytes']), 0),
    sum(value * weight) / nullIf(sum(weight), 0)
)
"""


def words(name: str) -> str:
    """What the aggregate of a score is, for the reader of a chart."""
    plain = name.partition("@")[0]
    if plain in PERPLEXITY:
        return "exp(sum nll / sum tokens)"
    if plain in BITS_PER_BYTE:
        return "sum nll / ln 2 / sum bytes"
    return "mean weighted with sample_weight"
