-- How many spans started in a range of minutes.
SELECT coalesce(sum(requests), 0)::BIGINT AS spans
FROM red
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
