-- What services did in a range of minutes, per kind of span.
SELECT minute_ns, service, kind, outcome, requests, buckets, counts
FROM red
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
