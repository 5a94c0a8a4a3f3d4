-- What the charts over a list of traces show, told apart by `part`: 'time' traces per step and outcome,
-- 'duration' traces per logarithmic bucket and outcome, 'exact' percentiles when there are few,
-- 'point' faults first and then a sample by the hash of the id, which stays the same while traces come in.
, light AS MATERIALIZED (
    SELECT trace_hi, trace_lo, first_ns, duration_ns, outcome, root_service, root_name FROM matched
),
amount AS MATERIALIZED (
    SELECT count(*) AS traces FROM light
)
SELECT
    'time' AS part, (first_ns - $origin_ns) // $step_ns AS place, outcome, count(*) AS traces,
    NULL::UBIGINT AS trace_hi, NULL::UBIGINT AS trace_lo, NULL::BIGINT AS duration_ns, NULL AS label
FROM light GROUP BY ALL
UNION ALL
SELECT
    'duration', CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::BIGINT AS place, outcome,
    count(*), NULL, NULL, NULL, NULL
FROM light GROUP BY place, outcome
UNION ALL
SELECT
    'exact', 0, 0, traces, NULL, NULL, unnest(quantile_disc(duration_ns, [0.5, 0.95, 0.99])), NULL
FROM light, amount WHERE traces <= $few GROUP BY traces
UNION ALL
SELECT 'point', first_ns, outcome, 1, trace_hi, trace_lo, duration_ns, root_service || ' ' || root_name
FROM (FROM light ORDER BY outcome = 3 DESC, hash(trace_lo, trace_hi), trace_hi, trace_lo LIMIT $points)
