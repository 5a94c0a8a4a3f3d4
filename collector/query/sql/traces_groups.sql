-- The matching traces by the values of one field; The marked place tells the values. '' for traces that have none.
, light AS MATERIALIZED (
    SELECT trace_hi, trace_lo, services, root_name, root_method, root_status, outcome, duration_ns FROM matched
),
members AS (
    /*members*/
),
grouped AS (
    SELECT
        coalesce(value, '') AS value, count(*) AS traces,
        count(*) FILTER (outcome = 0) AS ok, count(*) FILTER (outcome = 1) AS error,
        count(*) FILTER (outcome = 2) AS throttle, count(*) FILTER (outcome = 3) AS fault,
        quantile_disc(duration_ns, [0.5, 0.95, 0.99]) AS quantiles,
        least(sum(duration_ns), 9223372036854775807)::BIGINT AS total_ns
    FROM light LEFT JOIN members USING (trace_hi, trace_lo)
    GROUP BY coalesce(value, '')
)
SELECT *, count(*) OVER () AS different, (SELECT count(*) FROM light) AS all_traces
FROM grouped
ORDER BY traces DESC, value
LIMIT $limit
