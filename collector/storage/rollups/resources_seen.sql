-- When each resource sent something, and how many items.

-- name: roll traces
INSERT INTO live_traces.resources_seen
SELECT $until, tenant, resource_id, min(start_ns), max(start_ns), count(*)
FROM spans
WHERE seq > $after AND seq <= $until
GROUP BY ALL;

-- name: roll logs
INSERT INTO live_logs.resources_seen
SELECT $until, tenant, resource_id, min(time_ns), max(time_ns), count(*)
FROM logs
WHERE seq > $after AND seq <= $until
GROUP BY ALL;

-- name: roll metrics
INSERT INTO live_metrics.resources_seen
SELECT $until, tenant, resource_id, min(first_ns), max(last_ns), sum(points)
FROM live_metrics.series_seen s JOIN series USING (series_id)
WHERE s.seq = $until
GROUP BY ALL;

-- name: flush
INSERT INTO resources_seen
SELECT $until, tenant, resource_id, min(first_ns), max(last_ns), sum(items)
FROM live_{signal}.resources_seen
WHERE seq > $after
GROUP BY ALL
ORDER BY tenant, resource_id;
