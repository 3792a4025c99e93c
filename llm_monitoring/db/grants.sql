-- Least privilege: a role for the daily run, a role for administrators. Run as the owner of the tables, after every
-- update of the package; it may be run again at any time. Then give a login one of them, for example:
--     CREATE ROLE cron LOGIN PASSWORD '…' IN ROLE llm_monitoring_runner;
-- Neither role can migrate: run `python -m llm_monitoring migrate` as the owner after an update, with LLM_DISTRIBUTE=true
-- where runs are spread over several machines: that makes the queue's tables too. The daily job and its workers work as
-- the runner; the weekly check and the command line write prices, keys and limits, and work as an administrator.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'llm_monitoring_runner') THEN
        CREATE ROLE llm_monitoring_runner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'llm_monitoring_admin') THEN
        CREATE ROLE llm_monitoring_admin NOLOGIN;
    END IF;
END $$;

DO $$
DECLARE
    name TEXT;
BEGIN
    -- Start from nothing, table by table, so that a right that a later version no longer needs goes.
    FOR name IN SELECT c.oid::regclass::text FROM pg_class c
                WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'p')
                  AND (c.relname LIKE 'llm\_%' OR c.relname IN ('users', 'user_llm_api_keys'))
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM llm_monitoring_runner, llm_monitoring_admin', name);
        EXECUTE format('GRANT SELECT ON %s TO llm_monitoring_runner', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO llm_monitoring_admin', name);
    END LOOP;
    -- Nobody erases what was paid, nor who changed a price.
    REVOKE DELETE ON llm_call_attempts, llm_model_changelog FROM llm_monitoring_admin;
    REVOKE INSERT, UPDATE, DELETE ON llm_schema_migrations FROM llm_monitoring_admin;
    FOR name IN SELECT c.oid::regclass::text FROM pg_class c
                         JOIN pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i')
                         JOIN pg_class t ON t.oid = d.refobjid
                WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'S'
                  AND (t.relname LIKE 'llm\_%' OR t.relname IN ('users', 'user_llm_api_keys'))
    LOOP
        EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO llm_monitoring_admin', name);
        EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM llm_monitoring_runner', name);
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO llm_monitoring_runner, llm_monitoring_admin', current_schema());
END $$;

-- The ledger is written, never deleted; a result is written once and emptied of its text when it is old.
GRANT INSERT, UPDATE ON llm_call_attempts TO llm_monitoring_runner;
GRANT INSERT, DELETE ON llm_call_receipts TO llm_monitoring_runner;
GRANT INSERT ON llm_budget_alerts, llm_monitoring_rules TO llm_monitoring_runner;
GRANT UPDATE (announced_at) ON llm_budget_alerts TO llm_monitoring_runner;
GRANT INSERT, UPDATE ON llm_monitoring_news TO llm_monitoring_runner;
GRANT INSERT, UPDATE (sentiment, sentiment_score, sentiment_status, sentiment_reason, full_response, citations)
    ON llm_monitoring_results TO llm_monitoring_runner;
GRANT INSERT, UPDATE, DELETE ON llm_monitoring_snapshots, llm_monitoring_failed_tasks TO llm_monitoring_runner;
GRANT INSERT, UPDATE ON llm_monitoring_analysis_runs, llm_monitoring_chunks TO llm_monitoring_runner;
GRANT UPDATE (last_analysis_date) ON llm_monitoring_projects TO llm_monitoring_runner;
GRANT UPDATE (last_used_at, total_queries, total_tokens_consumed, total_cost) ON llm_model_registry
    TO llm_monitoring_runner;

-- Counters, not limits and not keys; an account with the defaults for a user who has none.
GRANT UPDATE (current_month_spend, reserved_spend_usd, last_spend_reset, updated_at) ON user_llm_api_keys
    TO llm_monitoring_runner;
GRANT INSERT (user_id, monthly_budget_usd) ON user_llm_api_keys TO llm_monitoring_runner;

DO $$
DECLARE
    name TEXT;
BEGIN
    FOR name IN SELECT pg_get_serial_sequence(t.tab, 'id')
                FROM unnest(ARRAY ['llm_monitoring_results', 'llm_monitoring_snapshots', 'llm_monitoring_analysis_runs',
                                   'llm_monitoring_chunks', 'llm_monitoring_news', 'user_llm_api_keys']) AS t (tab)
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO llm_monitoring_runner', name);
    END LOOP;
END $$;

-- The queue of runs on several machines, where there is one.
DO $$
BEGIN
    IF to_regnamespace('llm_queue') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA llm_queue TO llm_monitoring_runner, llm_monitoring_admin;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA llm_queue TO llm_monitoring_runner, llm_monitoring_admin;
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA llm_queue TO llm_monitoring_runner, llm_monitoring_admin;
    END IF;
END $$;
