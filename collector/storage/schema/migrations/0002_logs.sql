INSERT INTO meta
SELECT 'rows', count(*)::VARCHAR
FROM logs
WHERE seq <= coalesce((SELECT value::UBIGINT FROM meta WHERE key = 'watermark'), 0);
