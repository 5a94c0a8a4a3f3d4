-- Requests of services per step of time, with percentiles from the latency buckets. A service's requests are its
-- server and consumer spans; of one that has none, its internal ones, else its calls.
-- place: number of the step, -1 for the whole range; service NULL: all of them together.
WITH told AS (
    SELECT
        service, (minute_ns - $origin_ns) // $step_ns AS place, bucket, requests, errors, throttles, faults,
        CASE WHEN kind IN (2, 5) THEN 0 WHEN kind IN (0, 1) THEN 1 ELSE 2 END AS rank
    FROM red
    WHERE
        tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
        AND ($service = '' OR service = $service)
),
ranks AS (
    SELECT service, min(rank) AS rank FROM told GROUP BY service
),
counted AS (
    SELECT
        service, place, bucket, sum(requests) AS requests, sum(errors) AS errors, sum(throttles) AS throttles,
        sum(faults) AS faults
    FROM told SEMI JOIN ranks USING (service, rank)
    GROUP BY service, place, bucket
),
summed AS (
    SELECT
        service, coalesce(place, -1) AS place, bucket, sum(requests) AS requests, sum(errors) AS errors,
        sum(throttles) AS throttles, sum(faults) AS faults
    FROM counted
    GROUP BY GROUPING SETS ((service, place, bucket), (service, bucket), (place, bucket), (bucket))
),
ranked AS (
    SELECT
        *, sum(requests) OVER (PARTITION BY service, place ORDER BY bucket) AS reached,
        sum(requests) OVER (PARTITION BY service, place) AS total
    FROM summed
)
SELECT
    service, place, sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors,
    sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults,
    min(bucket) FILTER (reached >= ceil(0.50 * total)) AS p50,
    min(bucket) FILTER (reached >= ceil(0.95 * total)) AS p95,
    min(bucket) FILTER (reached >= ceil(0.99 * total)) AS p99
FROM ranked
GROUP BY service, place
