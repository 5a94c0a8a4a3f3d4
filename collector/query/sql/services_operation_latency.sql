-- Latency histograms of one operation of a service, from its spans.
WITH counted AS (
    SELECT
        outcome, CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        count(*)::INTEGER AS requests
    FROM spans
    WHERE
        tenant = $tenant AND start_ns >= $start_ns AND start_ns < $end_ns AND service = $service
        AND name = $operation
    GROUP BY ALL
)
SELECT outcome, sum(requests)::BIGINT AS requests, list(bucket) AS buckets, list(requests) AS counts
FROM counted
GROUP BY ALL
