-- What services did in a range of minutes, per kind of span and latency bucket.
SELECT
    service, kind, bucket,
    sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors,
    sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults
FROM red
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
GROUP BY ALL
