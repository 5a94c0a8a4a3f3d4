-- Requests and faults of services per window. A service's requests are its server and consumer spans; where it has
-- none in the window, its internal ones, else its calls.
WITH told AS (
    SELECT
        minute_ns // $window_ns * $window_ns AS start_ns, service,
        CASE WHEN kind IN (2, 5) THEN 0 WHEN kind IN (0, 1) THEN 1 ELSE 2 END AS rank,
        sum(requests)::BIGINT AS requests, coalesce(sum(requests) FILTER (outcome = 3), 0)::BIGINT AS faults
    FROM red
    WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    GROUP BY ALL
    HAVING sum(requests) > 0
)
SELECT start_ns, service, requests, faults
FROM told
QUALIFY rank = min(rank) OVER (PARTITION BY start_ns, service)
