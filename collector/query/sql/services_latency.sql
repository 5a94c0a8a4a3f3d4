-- Requests and latency histograms of a service, by kind of span.
SELECT service, kind, outcome, requests, buckets, counts
FROM red
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns AND service = $service
