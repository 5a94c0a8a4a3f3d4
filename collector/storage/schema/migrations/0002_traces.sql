INSERT INTO meta
SELECT 'rows', count(*)::VARCHAR
FROM spans
WHERE seq <= coalesce((SELECT value::UBIGINT FROM meta WHERE key = 'watermark'), 0);
