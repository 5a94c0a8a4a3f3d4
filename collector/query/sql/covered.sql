-- The first and the last minute of a range in which any service sent something.
SELECT min(minute_ns) AS first_ns, max(minute_ns) AS last_ns
FROM red
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
