-- Tools that make unique indexes where this schema has constraints: 0002 took the old keys away as constraints alone. One
-- that is left refuses a prompt's second sample, which is paid for by then, or a second model's figures of a day.
DO $$
DECLARE
    old RECORD;
BEGIN
    FOR old IN SELECT i.indexrelid::regclass AS name FROM pg_index i
               WHERE i.indisunique AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
                 AND (i.indrelid, (SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_attribute a
                                   WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)))
                     IN (('llm_monitoring_results'::regclass,
                          ARRAY ['analysis_date', 'llm_provider', 'project_id', 'query_id']),
                         ('llm_monitoring_snapshots'::regclass, ARRAY ['llm_provider', 'project_id', 'snapshot_date']))
    LOOP
        EXECUTE format('DROP INDEX %s', old.name);
    END LOOP;
END $$;

-- A user has one account, or a reservation on one of two says nothing about the limit.
DO $$
DECLARE
    doubled TEXT;
BEGIN
    SELECT string_agg(user_id::text, ', ') INTO doubled
    FROM (SELECT user_id FROM user_llm_api_keys GROUP BY user_id HAVING count(user_id) > 1 ORDER BY user_id) AS several;
    IF doubled IS NOT NULL THEN
        RAISE EXCEPTION 'user_llm_api_keys has several rows of user %: keep one of each, then migrate again', doubled;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_index i
                            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = 'user_llm_api_keys'::regclass AND i.indisunique AND i.indpred IS NULL
                     AND i.indnkeyatts = 1 AND a.attname = 'user_id') THEN
        ALTER TABLE user_llm_api_keys ADD CONSTRAINT user_llm_api_keys_one_a_user UNIQUE (user_id);
    END IF;
END $$;
