-- Those of some traces of whose ids a condition holds.
SELECT trace_hi, trace_lo
FROM (SELECT unnest($his::UBIGINT[]) AS trace_hi, unnest($los::UBIGINT[]) AS trace_lo) AS t
WHERE /*ids*/
