-- Attribute keys seen, with their types, for completion. Counted by shape first: there are few of them.

-- name: roll traces
INSERT INTO live_traces.attribute_keys
WITH seen AS (
    SELECT tenant, resource_id, shape, min(start_ns) AS first_ns, max(start_ns) AS last_ns, count(*) AS items
    FROM spans
    WHERE seq > $after AND seq <= $until
    GROUP BY ALL
),
placed AS (
    SELECT tenant, shape, 'item' AS place, first_ns, last_ns, items FROM seen
    UNION ALL
    SELECT tenant, r.shape, 'resource', first_ns, last_ns, items FROM seen JOIN resources r USING (resource_id)
),
named AS (
    SELECT tenant, unnest(keys) AS key, unnest(string_split(types, '')) AS type, place, first_ns, last_ns, items
    FROM placed JOIN shapes USING (shape)
)
SELECT $until, tenant, key, type, place, min(first_ns), max(last_ns), sum(items) FROM named GROUP BY ALL;

-- name: roll logs
INSERT INTO live_logs.attribute_keys
WITH seen AS (
    SELECT tenant, resource_id, shape, min(time_ns) AS first_ns, max(time_ns) AS last_ns, count(*) AS items
    FROM logs
    WHERE seq > $after AND seq <= $until
    GROUP BY ALL
),
placed AS (
    SELECT tenant, shape, 'item' AS place, first_ns, last_ns, items FROM seen
    UNION ALL
    SELECT tenant, r.shape, 'resource', first_ns, last_ns, items FROM seen JOIN resources r USING (resource_id)
),
named AS (
    SELECT tenant, unnest(keys) AS key, unnest(string_split(types, '')) AS type, place, first_ns, last_ns, items
    FROM placed JOIN shapes USING (shape)
)
SELECT $until, tenant, key, type, place, min(first_ns), max(last_ns), sum(items) FROM named GROUP BY ALL;

-- name: roll metrics
INSERT INTO live_metrics.attribute_keys
WITH seen AS (
    SELECT tenant, resource_id, shape, min(first_ns) AS first_ns, max(last_ns) AS last_ns, sum(points) AS items
    FROM live_metrics.series_seen s JOIN series USING (series_id)
    WHERE s.seq = $until
    GROUP BY ALL
),
placed AS (
    SELECT tenant, shape, 'item' AS place, first_ns, last_ns, items FROM seen
    UNION ALL
    SELECT tenant, r.shape, 'resource', first_ns, last_ns, items FROM seen JOIN resources r USING (resource_id)
),
named AS (
    SELECT tenant, unnest(keys) AS key, unnest(string_split(types, '')) AS type, place, first_ns, last_ns, items
    FROM placed JOIN shapes USING (shape)
)
SELECT $until, tenant, key, type, place, min(first_ns), max(last_ns), sum(items) FROM named GROUP BY ALL;

-- name: flush
INSERT INTO attribute_keys
SELECT $until, tenant, key, type, place, min(first_ns), max(last_ns), sum(items)
FROM live_{signal}.attribute_keys
WHERE seq > $after
GROUP BY ALL
ORDER BY key, type, place;
