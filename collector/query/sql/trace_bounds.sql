-- When a trace was, by the index, and up to which commit the index goes.
SELECT
    min(first_ns) FILTER (tenant = $tenant AND trace_hi = $hi AND trace_lo = $lo) AS first_ns,
    max(last_ns) FILTER (tenant = $tenant AND trace_hi = $hi AND trace_lo = $lo) AS last_ns,
    coalesce(max(seq), 0) AS rolled
FROM trace_index
