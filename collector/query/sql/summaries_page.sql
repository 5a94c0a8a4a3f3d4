-- The matching traces behind a page, newest first, at most so many; $after_*: the last trace of that page.
SELECT * FROM (SELECT trace_hi, trace_lo, first_ns, duration_ns, /*key*/ AS key FROM matched AS t)
WHERE $first_page OR (key, trace_hi, trace_lo) < ($after_key, $after_hi, $after_lo)
ORDER BY key DESC, trace_hi DESC, trace_lo DESC
LIMIT $limit
