-- The places (time and commit) of the newest selected records, from a place on; $seq is the last commit at
-- $time_ns that is looked at.
SELECT l.time_ns, l.seq
FROM logs AS l
WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns
    AND (l.time_ns < $time_ns OR l.time_ns = $time_ns AND l.seq <= $seq)
    AND /*filter*/
ORDER BY l.time_ns DESC, l.seq DESC
LIMIT $limit
