-- Whether attribute sets with any of these keys are there.
SELECT count(*) > 0 AS said FROM shapes WHERE list_has_any(keys, $keys::VARCHAR[])
