-- Least privilege: a role for the daily run and a role for administrators. Run it as the owner of the tables after every
-- update of the package; it may be run again at any time. The owner needs CREATEROLE for the first run, to make the two
-- roles: `ALTER ROLE owner CREATEROLE;` as a superuser, once. Then give a login one of them, for example:
--     CREATE ROLE cron LOGIN PASSWORD '…' IN ROLE llm_monitoring_runner;
-- A login has the rights of its role only if it inherits them, as it does unless it was made with NOINHERIT.
-- Neither role can migrate: run `python -m llm_monitoring migrate` as the owner after an update, with LLM_DISTRIBUTE=true
-- if runs are spread over several machines: that makes the queue's tables too. The daily job and its workers work as
-- the runner; the weekly check and the command line write prices, keys and limits, and work as an administrator.
-- Roles belong to the server, not to a database: a server with several databases (staging next to production) needs
--     REVOKE CONNECT ON DATABASE … FROM PUBLIC;   GRANT CONNECT ON DATABASE … TO that database's own logins;
-- in each of them, or a login of one reads the keys of the other. `doctor` says if that is missing.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'llm_monitoring_runner') THEN
        CREATE ROLE llm_monitoring_runner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'llm_monitoring_admin') THEN
        CREATE ROLE llm_monitoring_admin NOLOGIN;
    END IF;
END $$;

-- Revoke everything first, which removes rights that this version no longer needs and rights that an earlier version
-- gave on tables of the host application. A role that may create functions in the schema can use the rights of every
-- role that calls a function of that name.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM llm_monitoring_runner, llm_monitoring_admin', current_schema());
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM llm_monitoring_runner, llm_monitoring_admin', current_schema());
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO llm_monitoring_runner, llm_monitoring_admin', current_schema());
END $$;

-- Both roles read only the id and the address of the host application's users.
GRANT SELECT (id, email) ON users TO llm_monitoring_runner, llm_monitoring_admin;

-- Both roles read every table of the package.
GRANT SELECT ON
    user_llm_api_keys, llm_model_registry, llm_model_prices, llm_model_changelog, llm_monitoring_projects,
    llm_monitoring_queries, llm_monitoring_results, llm_monitoring_snapshots, llm_monitoring_failed_tasks,
    llm_monitoring_analysis_runs,
    llm_monitoring_chunks, llm_monitoring_news, llm_monitoring_rules, llm_call_attempts, llm_call_receipts,
    llm_budget_alerts, llm_batches, llm_schema_migrations, llm_visibility_comparison, llm_analysis_orders,
    llm_reanalysis_jobs, llm_prompt_tags
TO llm_monitoring_runner, llm_monitoring_admin;
GRANT SELECT ON llm_api_tokens, llm_project_viewers, llm_audit_log, llm_idempotency_keys, llm_people, llm_sign_in_links,
    llm_sessions, llm_spent_hand_offs, llm_share_links, llm_agencies, llm_dismissed_names, llm_viewer_invitations
TO llm_monitoring_admin;
GRANT SELECT ON llm_site_kinds, llm_project_notes, llm_pacing, llm_paced_days, llm_paced_projects
TO llm_monitoring_runner, llm_monitoring_admin;
GRANT INSERT, UPDATE ON llm_pacing TO llm_monitoring_admin;
GRANT INSERT, UPDATE ON llm_paced_days, llm_paced_projects TO llm_monitoring_runner, llm_monitoring_admin;
GRANT INSERT, UPDATE, DELETE ON llm_site_kinds, llm_project_notes TO llm_monitoring_admin;
GRANT INSERT, DELETE ON llm_prompt_tags, llm_dismissed_names TO llm_monitoring_admin;
GRANT INSERT ON llm_audit_log TO llm_monitoring_admin;
GRANT INSERT, UPDATE, DELETE ON llm_api_tokens, llm_project_viewers, llm_people, llm_sign_in_links, llm_sessions,
    llm_agencies
TO llm_monitoring_admin;
GRANT UPDATE ON llm_analysis_orders TO llm_monitoring_runner;
-- The daily run deletes what no one can sign in with or open any more, and sees no hash of the rest.
GRANT DELETE ON llm_sign_in_links, llm_sessions, llm_spent_hand_offs, llm_share_links, llm_idempotency_keys
TO llm_monitoring_runner;
GRANT SELECT (id, expires_at) ON llm_sign_in_links TO llm_monitoring_runner;
GRANT SELECT (id, expires_at, ended_at) ON llm_sessions TO llm_monitoring_runner;
GRANT SELECT (hand_off_hash, spent_at) ON llm_spent_hand_offs TO llm_monitoring_runner;
GRANT SELECT (id, expires_at, revoked_at) ON llm_share_links TO llm_monitoring_runner;
GRANT SELECT (user_id, key, created_at) ON llm_idempotency_keys TO llm_monitoring_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm_stored_figures TO llm_monitoring_runner, llm_monitoring_admin;

-- Both roles insert into the ledger and update open calls, and never delete from it. A trigger protects closed calls.
GRANT INSERT ON llm_call_attempts TO llm_monitoring_runner, llm_monitoring_admin;
GRANT INSERT, UPDATE ON llm_batches TO llm_monitoring_runner, llm_monitoring_admin;
GRANT UPDATE (state, sent_token, sent_at, rates, charged_usd, model_served, input_tokens, output_tokens, cached_tokens,
              cache_write_tokens, reasoning_tokens, searches, service_tier, saved_usd, error_kind, error_message, closed_at)
    ON llm_call_attempts TO llm_monitoring_runner, llm_monitoring_admin;

-- The runner writes the rows of a day. An answer is written once, and its text is emptied after its retention.
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

-- The runner writes counters, neither limits nor keys; it creates an account with the defaults for a user without one.
GRANT UPDATE (current_month_spend, reserved_spend_usd, last_spend_reset, ledger_month, ledger_spend_usd, updated_at)
    ON user_llm_api_keys TO llm_monitoring_runner;
GRANT SELECT, UPDATE ON llm_operator_account TO llm_monitoring_runner, llm_monitoring_admin;
GRANT INSERT (user_id) ON user_llm_api_keys TO llm_monitoring_runner;

-- The administrator writes all of the package's tables but the changelog, which the database itself writes, the
-- ledger's closed calls and the record of migrations.
GRANT INSERT (email) ON users TO llm_monitoring_admin;
GRANT INSERT, UPDATE, DELETE ON
    user_llm_api_keys, llm_model_registry, llm_model_prices, llm_monitoring_projects, llm_monitoring_queries,
    llm_monitoring_results, llm_monitoring_snapshots, llm_monitoring_failed_tasks, llm_monitoring_analysis_runs, llm_monitoring_chunks,
    llm_monitoring_news, llm_monitoring_rules, llm_call_receipts, llm_budget_alerts
TO llm_monitoring_admin;

-- The sequences of those tables, with any name.
DO $$
DECLARE
    entry RECORD;
BEGIN
    FOR entry IN SELECT role, pg_get_serial_sequence(tab, 'id') AS sequence
                 FROM (VALUES ('llm_monitoring_runner', 'llm_monitoring_results'),
                              ('llm_monitoring_runner', 'llm_monitoring_snapshots'),
                              ('llm_monitoring_runner', 'llm_monitoring_analysis_runs'),
                              ('llm_monitoring_runner', 'llm_monitoring_chunks'),
                              ('llm_monitoring_runner', 'llm_monitoring_news'),
                              ('llm_monitoring_runner', 'user_llm_api_keys'),
                              ('llm_monitoring_admin', 'llm_api_tokens'),
                              ('llm_monitoring_admin', 'llm_audit_log'),
                              ('llm_monitoring_admin', 'llm_project_notes'),
                              ('llm_monitoring_admin', 'llm_sign_in_links'),
                              ('llm_monitoring_admin', 'users'),
                              ('llm_monitoring_admin', 'user_llm_api_keys'),
                              ('llm_monitoring_admin', 'llm_model_registry'),
                              ('llm_monitoring_admin', 'llm_model_prices'),
                              ('llm_monitoring_admin', 'llm_monitoring_projects'),
                              ('llm_monitoring_admin', 'llm_monitoring_queries'),
                              ('llm_monitoring_admin', 'llm_monitoring_results'),
                              ('llm_monitoring_admin', 'llm_monitoring_snapshots'),
                              ('llm_monitoring_admin', 'llm_monitoring_analysis_runs'),
                              ('llm_monitoring_admin', 'llm_monitoring_chunks'),
                              ('llm_monitoring_admin', 'llm_monitoring_news')) AS used (role, tab)
    LOOP
        IF entry.sequence IS NOT NULL THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', entry.sequence, entry.role);
        END IF;
    END LOOP;
END $$;

-- A server may have taken from PUBLIC the right to call functions, which each new function otherwise gives to everyone.
GRANT EXECUTE ON FUNCTION
    llm_ledger_spent(INTEGER, DATE), llm_ledger_reserved(INTEGER, DATE), llm_dated_prices(TEXT, TEXT),
    llm_monitoring_align_sequence(REGCLASS, TEXT)
TO llm_monitoring_runner, llm_monitoring_admin;

-- The queue of runs on several machines, if there is one.
DO $$
BEGIN
    IF to_regnamespace('llm_queue') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA llm_queue TO llm_monitoring_runner, llm_monitoring_admin;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA llm_queue TO llm_monitoring_runner, llm_monitoring_admin;
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA llm_queue TO llm_monitoring_runner, llm_monitoring_admin;
    END IF;
END $$;
