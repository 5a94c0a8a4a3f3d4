-- The span names of a service with counts, percentiles from logarithmic buckets, and the time they took.
WITH counted AS (
    SELECT
        name, kind, CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        count(*) AS requests, count(*) FILTER (outcome = 1) AS error, count(*) FILTER (outcome = 2) AS throttle,
        count(*) FILTER (outcome = 3) AS fault, sum(greatest(duration_ns, 0)) AS total_ns
    FROM spans
    WHERE tenant = $tenant AND start_ns >= $start_ns AND start_ns < $end_ns AND service = $service
    GROUP BY ALL
),
ranked AS (
    SELECT
        *, sum(requests) OVER (PARTITION BY name, kind ORDER BY bucket) AS reached,
        sum(requests) OVER (PARTITION BY name, kind) AS total
    FROM counted
),
named AS (
    SELECT
        name, kind, sum(requests - error - throttle - fault)::BIGINT AS ok, sum(error)::BIGINT AS error,
        sum(throttle)::BIGINT AS throttle, sum(fault)::BIGINT AS fault,
        least(sum(total_ns), 9223372036854775807)::BIGINT AS total_ns,
        min(bucket) FILTER (reached >= ceil(0.50 * total)) AS p50,
        min(bucket) FILTER (reached >= ceil(0.95 * total)) AS p95,
        min(bucket) FILTER (reached >= ceil(0.99 * total)) AS p99
    FROM ranked
    GROUP BY name, kind
)
SELECT *, (SELECT count(*) FROM named) AS different
FROM named
WHERE $first_page OR (-total_ns, name, kind) > (-$after_ns::BIGINT, $after_name, $after_kind)
ORDER BY total_ns DESC, name, kind
LIMIT $limit
