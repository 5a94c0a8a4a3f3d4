-- The matching traces and when they were, at most so many. In an order, because a bare limit is not looked for in parallel.
SELECT trace_hi, trace_lo, first_ns, duration_ns FROM matched ORDER BY trace_lo LIMIT $limit
