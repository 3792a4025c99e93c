
-- The web service's own role: it sees only the rows of the user of its session. Give it a login:
--     CREATE ROLE web LOGIN PASSWORD '…' IN ROLE llm_monitoring_web;
-- and its address to the web service alone, as DATABASE_URL. A superuser, the tables' owner and a role with BYPASSRLS
-- bypass row-level security: `doctor` reports it for its own role, and the service reports it when it starts.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'llm_monitoring_web') THEN
        CREATE ROLE llm_monitoring_web NOLOGIN;
    END IF;
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM llm_monitoring_web', current_schema());
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM llm_monitoring_web', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO llm_monitoring_web', current_schema());
END $$;

GRANT SELECT (id, email) ON users TO llm_monitoring_web;
GRANT SELECT ON
    llm_model_registry, llm_model_prices, llm_schema_migrations, llm_operator_account, llm_monitoring_rules,
    user_llm_api_keys, llm_monitoring_projects, llm_monitoring_queries, llm_monitoring_results,
    llm_monitoring_snapshots, llm_monitoring_failed_tasks, llm_call_attempts, llm_api_tokens, llm_project_viewers,
    llm_audit_log, llm_idempotency_keys, llm_analysis_orders, llm_reanalysis_jobs, llm_budget_alerts, llm_viewer_invitations,
    llm_prompt_tags, llm_dismissed_names, llm_site_kinds, llm_project_notes, llm_pacing, llm_paced_days,
    llm_people, llm_sign_in_links, llm_sessions, llm_spent_hand_offs, llm_share_links, llm_agencies
TO llm_monitoring_web;
GRANT INSERT, UPDATE ON llm_monitoring_projects TO llm_monitoring_web;
GRANT INSERT, UPDATE, DELETE ON llm_monitoring_queries, llm_site_kinds TO llm_monitoring_web;
GRANT INSERT, DELETE ON llm_project_notes TO llm_monitoring_web;
GRANT INSERT, DELETE ON llm_prompt_tags, llm_dismissed_names TO llm_monitoring_web;
GRANT INSERT, UPDATE ON llm_idempotency_keys, llm_analysis_orders, llm_reanalysis_jobs TO llm_monitoring_web;
-- of a batch, who has calls in it sees when it is due
GRANT SELECT (id, state, posted_at, expires_at) ON llm_batches TO llm_monitoring_web;
GRANT INSERT, UPDATE ON llm_pacing TO llm_monitoring_web;
-- what a project costs is for its owner alone, what is left out of it for everyone who sees it
GRANT SELECT (project_id, analysis_date, user_id, steps, samples, left_out, resting, prompts) ON llm_paced_projects
    TO llm_monitoring_web;
GRANT INSERT ON llm_audit_log TO llm_monitoring_web;
GRANT INSERT, UPDATE (last_used_at, revoked_at) ON llm_api_tokens TO llm_monitoring_web;
GRANT INSERT, DELETE ON llm_project_viewers, llm_viewer_invitations, llm_spent_hand_offs TO llm_monitoring_web;
GRANT INSERT ON llm_people, llm_sign_in_links, llm_sessions, llm_share_links TO llm_monitoring_web;
GRANT UPDATE (spent_at) ON llm_sign_in_links TO llm_monitoring_web;
GRANT UPDATE (last_used_at, ended_at) ON llm_sessions TO llm_monitoring_web;
GRANT UPDATE (revoked_at, opens, last_opened_at) ON llm_share_links TO llm_monitoring_web;
GRANT INSERT, UPDATE, DELETE ON llm_agencies TO llm_monitoring_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON llm_stored_figures TO llm_monitoring_web;
-- a reanalysis: what was read in the answers of one's own projects, and the figures of their days; no answer, no cost
GRANT UPDATE (brand_name, branded, brand_mentioned, mention_count, mention_contexts, mention_order, position_in_list,
              total_items_in_list, ranking_kind, appears_in_numbered_list, competitors_mentioned, competitor_positions,
              sources, brand_cited, competitors_cited, analysis_version, rules_fingerprint, unread_reason, sentiment,
              sentiment_score, sentiment_reason, sentiment_status)
    ON llm_monitoring_results TO llm_monitoring_web;
GRANT INSERT, UPDATE, DELETE ON llm_monitoring_snapshots TO llm_monitoring_web;
GRANT INSERT ON llm_monitoring_rules TO llm_monitoring_web;
-- keys, and an account with the default limit for a user who has none: no limit and no counter of an existing one
GRANT INSERT (user_id, monthly_budget_usd, openai_api_key_encrypted, anthropic_api_key_encrypted,
              google_api_key_encrypted, perplexity_api_key_encrypted, updated_at)
    ON user_llm_api_keys TO llm_monitoring_web;
GRANT UPDATE (openai_api_key_encrypted, anthropic_api_key_encrypted, google_api_key_encrypted,
              perplexity_api_key_encrypted, updated_at)
    ON user_llm_api_keys TO llm_monitoring_web;

DO $$
DECLARE
    entry RECORD;
BEGIN
    FOR entry IN SELECT pg_get_serial_sequence(tab, 'id') AS sequence
                 FROM (VALUES ('llm_monitoring_projects'), ('llm_monitoring_queries'), ('user_llm_api_keys'),
                              ('llm_audit_log'), ('llm_analysis_orders'), ('llm_reanalysis_jobs'),
                              ('llm_monitoring_snapshots'), ('llm_project_notes'), ('llm_sign_in_links'),
                              ('llm_sessions'), ('llm_share_links'), ('llm_api_tokens')) AS used (tab)
    LOOP
        IF entry.sequence IS NOT NULL THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %s TO llm_monitoring_web', entry.sequence);
        END IF;
    END LOOP;
END $$;

GRANT EXECUTE ON FUNCTION
    llm_ledger_spent(INTEGER, DATE), llm_ledger_reserved(INTEGER, DATE), llm_dated_prices(TEXT, TEXT),
    llm_monitoring_align_sequence(REGCLASS, TEXT)
TO llm_monitoring_web;

-- The owner of a project, whoever asks: policies of projects and of their viewers would ask each other without end.
CREATE OR REPLACE FUNCTION llm_owner_of(project_id INTEGER) RETURNS INTEGER
LANGUAGE sql STABLE SECURITY DEFINER AS
$$ SELECT p.user_id FROM llm_monitoring_projects p WHERE p.id = llm_owner_of.project_id $$;
DO $$
BEGIN
    -- a definer's function must not find its tables by the caller's search path
    EXECUTE format('ALTER FUNCTION llm_owner_of(INTEGER) SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION llm_owner_of(INTEGER) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION llm_owner_of(INTEGER) TO llm_monitoring_web;
END $$;

-- Each table has a policy for all roles that changes nothing for other roles, and a restrictive one for the web role.
-- A session that is bound to no one sees only tokens, sessions and links, from which the service finds the caller. One
-- that is bound to a project, as a share link binds it, reads that project and writes nothing but the
-- figures that it measured.
DO $$
DECLARE
    bound CONSTANT TEXT := 'nullif(current_setting(''llm_monitoring.user_id'', TRUE), '''')::int';
    bound_project CONSTANT TEXT := 'nullif(current_setting(''llm_monitoring.project_id'', TRUE), '''')::int';
    unbound CONSTANT TEXT := '(' || bound || ' IS NULL AND ' || bound_project || ' IS NULL)';
    own_project CONSTANT TEXT := 'EXISTS (SELECT FROM llm_monitoring_projects p WHERE p.id = project_id AND p.user_id = ' || bound || ')';
    seen_project CONSTANT TEXT := 'EXISTS (SELECT FROM llm_monitoring_projects p WHERE p.id = project_id)';
    seen_prompt CONSTANT TEXT := 'EXISTS (SELECT FROM llm_monitoring_queries q WHERE q.id = query_id)';
    own_prompt CONSTANT TEXT := 'EXISTS (SELECT FROM llm_monitoring_queries q JOIN llm_monitoring_projects p'
        ' ON p.id = q.project_id WHERE q.id = query_id AND p.user_id = ' || bound || ')';
    own_address CONSTANT TEXT := 'pg_catalog.lower(email COLLATE "C") = (SELECT pg_catalog.lower(u.email::text COLLATE "C")'
        ' FROM users u WHERE u.id = ' || bound || ')';
    entry RECORD;
BEGIN
    FOR entry IN
        SELECT * FROM (VALUES
            ('llm_monitoring_projects', 'user_id = ' || bound
                || ' OR id = ' || bound_project
                || ' OR EXISTS (SELECT FROM llm_project_viewers v WHERE v.project_id = id AND v.user_id = ' || bound || ')',
             'user_id = ' || bound),
            ('llm_project_viewers', 'user_id = ' || bound || ' OR llm_owner_of(project_id) = ' || bound,
             'llm_owner_of(project_id) = ' || bound || ' OR (user_id = ' || bound
                || ' AND EXISTS (SELECT FROM llm_viewer_invitations i WHERE i.project_id = llm_project_viewers.project_id))'),
            -- whoever was invited sees that, by the own address, and makes a viewer of no one else
            ('llm_viewer_invitations', 'llm_owner_of(project_id) = ' || bound || ' OR ' || own_address,
             'llm_owner_of(project_id) = ' || bound),
            ('llm_monitoring_queries', seen_project, own_project),
            ('llm_prompt_tags', seen_prompt, own_prompt),
            ('llm_dismissed_names', seen_project, own_project),
            ('llm_monitoring_results', seen_project, own_project),
            ('llm_monitoring_snapshots', seen_project, own_project),
            ('llm_monitoring_failed_tasks', seen_project, 'FALSE'),
            ('llm_stored_figures', seen_project, seen_project),
            ('llm_analysis_orders', seen_project, own_project),
            ('llm_reanalysis_jobs', unbound || ' OR ' || seen_project, own_project),
            ('llm_site_kinds', seen_project, own_project),
            ('llm_project_notes', seen_project, own_project),
            ('llm_pacing', 'user_id = ' || bound, 'user_id = ' || bound),
            ('llm_batches', 'EXISTS (SELECT FROM llm_call_attempts a WHERE a.batch_id = llm_batches.id AND a.user_id = ' || bound || ')',
             'FALSE'),
            ('llm_paced_days', 'user_id = ' || bound, 'FALSE'),
            ('llm_paced_projects', seen_project, 'FALSE'),
            ('user_llm_api_keys', 'user_id = ' || bound, 'user_id = ' || bound),
            ('llm_call_attempts', 'user_id = ' || bound, 'FALSE'),
            ('llm_budget_alerts', 'user_id = ' || bound, 'FALSE'),
            ('llm_audit_log', 'user_id = ' || bound, 'user_id = ' || bound),
            ('llm_idempotency_keys', 'user_id = ' || bound, 'user_id = ' || bound),
            ('llm_api_tokens', unbound || ' OR user_id = ' || bound, 'user_id = ' || bound),
            ('llm_sessions', unbound || ' OR user_id = ' || bound, 'user_id = ' || bound),
            ('llm_sign_in_links', unbound || ' OR user_id = ' || bound, 'user_id = ' || bound),
            ('llm_spent_hand_offs', bound || ' IS NOT NULL', bound || ' IS NOT NULL'),
            ('llm_people', unbound || ' OR user_id = ' || bound, 'user_id = ' || bound),
            ('llm_share_links', unbound || ' OR ' || own_project, own_project),
            ('llm_agencies', 'user_id = ' || bound || ' OR user_id = llm_owner_of(' || bound_project || ')',
             'user_id = ' || bound)
        ) AS wall (tab, reads, writes)
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', entry.tab);
        EXECUTE format('DROP POLICY IF EXISTS llm_everybody ON %I', entry.tab);
        EXECUTE format('CREATE POLICY llm_everybody ON %I TO PUBLIC USING (TRUE) WITH CHECK (TRUE)', entry.tab);
        EXECUTE format('DROP POLICY IF EXISTS llm_web_reads ON %I', entry.tab);
        EXECUTE format('CREATE POLICY llm_web_reads ON %I AS RESTRICTIVE FOR SELECT TO llm_monitoring_web USING (%s)',
                       entry.tab, entry.reads);
        EXECUTE format('DROP POLICY IF EXISTS llm_web_adds ON %I', entry.tab);
        EXECUTE format('CREATE POLICY llm_web_adds ON %I AS RESTRICTIVE FOR INSERT TO llm_monitoring_web WITH CHECK (%s)',
                       entry.tab, entry.writes);
        EXECUTE format('DROP POLICY IF EXISTS llm_web_changes ON %I', entry.tab);
        EXECUTE format('CREATE POLICY llm_web_changes ON %I AS RESTRICTIVE FOR UPDATE TO llm_monitoring_web'
                       ' USING (%s) WITH CHECK (%s)', entry.tab, entry.writes, entry.writes);
        EXECUTE format('DROP POLICY IF EXISTS llm_web_removes ON %I', entry.tab);
        EXECUTE format('CREATE POLICY llm_web_removes ON %I AS RESTRICTIVE FOR DELETE TO llm_monitoring_web USING (%s)',
                       entry.tab, entry.writes);
    END LOOP;
END $$;
