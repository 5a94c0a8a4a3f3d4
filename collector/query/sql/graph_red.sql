-- What services did in a range of minutes, per kind of span; latency buckets and what is in them as two lists.
WITH counted AS (
    SELECT
        service, kind, bucket,
        sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors,
        sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults
    FROM red
    WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    GROUP BY ALL
)
SELECT
    service, kind, list(bucket) AS buckets, list(requests) AS counts, sum(requests)::BIGINT AS requests,
    sum(errors)::BIGINT AS errors, sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults
FROM counted
GROUP BY ALL
