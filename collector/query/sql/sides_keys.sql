-- Which attribute keys the spans of two sets of traces have, over a sample of each set by the hash of the id.
, sample AS MATERIALIZED (
    SELECT trace_hi, trace_lo, a, b FROM sided
    WHERE a OR b
    QUALIFY row_number() OVER (PARTITION BY a, b ORDER BY hash(trace_lo, trace_hi), trace_hi, trace_lo) <= $sample
),
amounts AS (
    SELECT count(*) FILTER (a) AS all_a, count(*) FILTER (b) AS all_b FROM sample
),
shapes_of AS (
    SELECT DISTINCT s.trace_hi, s.trace_lo, s.shape
    FROM spans s SEMI JOIN sample USING (trace_hi, trace_lo)
    WHERE s.tenant = $tenant AND s.start_ns >= $start_ns AND s.start_ns < $reach_ns
),
keyed AS (
    SELECT DISTINCT trace_hi, trace_lo, unnest(keys) AS value
    FROM shapes_of JOIN (SELECT DISTINCT ON (shape) shape, keys FROM shapes) USING (shape)
),
counted AS (
    SELECT value, count(*) FILTER (a) AS a, count(*) FILTER (b) AS b
    FROM keyed JOIN sample USING (trace_hi, trace_lo)
    GROUP BY value
)
SELECT value, a, b, all_a, all_b, count(*) OVER () AS different
FROM counted, amounts
ORDER BY abs(a / greatest(all_a, 1) - b / greatest(all_b, 1)) DESC, a + b DESC, value
LIMIT $limit
