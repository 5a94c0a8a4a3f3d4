-- When a trace was, by the index, and up to which commit the index goes.
SELECT found.first_ns, found.last_ns, rolled.seq AS rolled
FROM (
    SELECT min(first_ns) AS first_ns, max(last_ns) AS last_ns
    FROM trace_index
    WHERE trace_hi = $hi AND trace_lo = $lo AND tenant = $tenant
) AS found, (SELECT coalesce(max(seq), 0) AS seq FROM trace_index) AS rolled
