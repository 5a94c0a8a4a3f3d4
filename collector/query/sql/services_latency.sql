-- Latency buckets of the requests that a service served.
SELECT
    kind, bucket, sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors,
    sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults
FROM red
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns AND service = $service
GROUP BY kind, bucket
