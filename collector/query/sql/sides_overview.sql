-- Two sets of traces in figures, told apart by `part`: 'time' traces per step and outcome, 'response' response
-- times per logarithmic bucket, 'exact' percentiles where there are few, 'all' how many are in both.
, each AS (
    SELECT 'a' AS side, first_ns, response_ns, outcome FROM sided WHERE a
    UNION ALL
    SELECT 'b', first_ns, response_ns, outcome FROM sided WHERE b
)
SELECT
    'time' AS part, side, (first_ns - $origin_ns) // $step_ns AS place, outcome, count(*) AS traces,
    NULL::BIGINT[] AS quantiles
FROM each GROUP BY side, place, outcome
UNION ALL
SELECT
    'response', side, CASE WHEN response_ns <= 1 THEN 0 ELSE floor(8 * log2(response_ns)) END::BIGINT AS place, 0,
    count(*), NULL
FROM each WHERE response_ns IS NOT NULL GROUP BY side, place
UNION ALL
SELECT 'exact', side, 0, 0, count(*), quantile_disc(response_ns, [0.5, 0.95, 0.99])
FROM each WHERE response_ns IS NOT NULL GROUP BY side HAVING count(*) <= $few
UNION ALL
SELECT 'both', '', 0, 0, count(*), NULL FROM sided WHERE a AND b
