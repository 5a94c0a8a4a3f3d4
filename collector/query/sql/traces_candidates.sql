-- The matching traces and when they were, at most so many.
SELECT trace_hi, trace_lo, first_ns, duration_ns FROM matched LIMIT $limit
