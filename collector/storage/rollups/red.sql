-- Rate, errors, duration: requests per minute, service, kind and outcome, with a latency histogram that merges by addition.

-- name: roll
INSERT INTO live_traces.red
WITH counted AS (
    SELECT
        tenant, start_ns // 60000000000 * 60000000000 AS minute_ns, service, kind, outcome,
        CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        count(*)::INTEGER AS requests, sum(duration_ns) AS duration_ns
    FROM spans
    WHERE seq > $after AND seq <= $until AND NOT in_progress AND service <> ''
    GROUP BY ALL
)
SELECT
    $until, tenant, minute_ns, service, kind, outcome, sum(requests), sum(duration_ns), list(bucket), list(requests)
FROM counted
GROUP BY ALL;

-- name: flush
INSERT INTO red
WITH cells AS (
    SELECT tenant, minute_ns, service, kind, outcome, unnest(buckets) AS bucket, unnest(counts) AS requests
    FROM live_traces.red
    WHERE seq > $after
),
merged AS (
    SELECT tenant, minute_ns, service, kind, outcome, bucket, sum(requests)::INTEGER AS requests
    FROM cells
    GROUP BY ALL
),
histograms AS (
    SELECT tenant, minute_ns, service, kind, outcome, list(bucket ORDER BY bucket) AS buckets, list(requests ORDER BY bucket) AS counts
    FROM merged
    GROUP BY ALL
),
sums AS (
    SELECT tenant, minute_ns, service, kind, outcome, sum(requests) AS requests, sum(duration_ns) AS duration_ns
    FROM live_traces.red
    WHERE seq > $after
    GROUP BY ALL
)
SELECT $until, sums.*, buckets, counts
FROM sums JOIN histograms USING (tenant, minute_ns, service, kind, outcome)
ORDER BY minute_ns, service, kind, outcome;
