-- Requests of services in a range of minutes, by step of time ($step_ns from $origin_ns: place). A service's requests
-- are its server and consumer spans; of one that has none, its internal ones, else its calls.
WITH told AS (
    SELECT
        service, (minute_ns - $origin_ns) // $step_ns AS place, outcome, requests, buckets, counts,
        CASE WHEN kind IN (2, 5) THEN 0 WHEN kind IN (0, 1) THEN 1 ELSE 2 END AS rank
    FROM red
    WHERE
        tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
        AND ($service = '' OR service = $service)
)
SELECT service, place, outcome, requests, buckets, counts
FROM told SEMI JOIN (SELECT service, min(rank) AS rank FROM told GROUP BY service) USING (service, rank)
