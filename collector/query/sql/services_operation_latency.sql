-- Latency buckets of one operation of a service, from its spans.
SELECT
    kind, CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
    count(*) AS requests, count(*) FILTER (outcome = 1) AS errors, count(*) FILTER (outcome = 2) AS throttles,
    count(*) FILTER (outcome = 3) AS faults
FROM spans
WHERE
    tenant = $tenant AND start_ns >= $start_ns AND start_ns < $end_ns AND service = $service
    AND name = $operation
GROUP BY ALL
