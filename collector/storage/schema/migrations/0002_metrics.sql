INSERT INTO meta
SELECT 'rows', count(*)::VARCHAR
FROM (SELECT seq FROM numbers UNION ALL SELECT seq FROM distributions)
WHERE seq <= coalesce((SELECT value::UBIGINT FROM meta WHERE key = 'watermark'), 0);
