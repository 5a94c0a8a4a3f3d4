-- How many entries the index has for a range, whatever their traces are: how much work a question about it is.
SELECT count(*) AS entries
FROM trace_index
WHERE tenant = $tenant AND last_ns >= $start_ns AND first_ns < $end_ns
