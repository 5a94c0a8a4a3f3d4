-- The matching traces with the sets they are in, goes on from traces_matching.sql; The marked places tell who is
-- in set A and who in set B. A trace may be in both.
, sided AS MATERIALIZED (
    SELECT
        trace_hi, trace_lo, first_ns, duration_ns, response_ns, errors, throttles, faults, services, root_name, root_method, root_status, outcome,
        /*a*/ AS a, /*b*/ AS b
    FROM matched AS t
)
/*question*/
