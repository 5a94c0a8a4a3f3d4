-- The traces next to one in time among those that match, the later and the earlier; $at_ns, $hi, $lo: the one.
, near AS MATERIALIZED (
    SELECT first_ns, trace_hi, trace_lo FROM matched WHERE NOT (trace_hi = $hi AND trace_lo = $lo)
)
(
    SELECT true AS newer, trace_hi, trace_lo FROM near
    WHERE (first_ns, trace_hi, trace_lo) > ($at_ns, $hi::UBIGINT, $lo::UBIGINT)
    ORDER BY first_ns, trace_hi, trace_lo
    LIMIT 1
)
UNION ALL
(
    SELECT false, trace_hi, trace_lo FROM near
    WHERE (first_ns, trace_hi, trace_lo) < ($at_ns, $hi::UBIGINT, $lo::UBIGINT)
    ORDER BY first_ns DESC, trace_hi DESC, trace_lo DESC
    LIMIT 1
)
