-- The matching traces per step of time, and in all (place -1): how many by outcome, and their response times.
, placed AS (
    SELECT
        (first_ns - $origin_ns) // $step_ns AS place, outcome, coalesce(response_ns, duration_ns) AS took
    FROM matched
)
SELECT
    coalesce(place, -1) AS place, count(*) AS traces,
    count(*) FILTER (outcome = 0) AS ok, count(*) FILTER (outcome = 1) AS error,
    count(*) FILTER (outcome = 2) AS throttle, count(*) FILTER (outcome = 3) AS fault,
    quantile_disc(took, [0.5, 0.95]) AS quantiles
FROM placed
GROUP BY GROUPING SETS ((place), ())
