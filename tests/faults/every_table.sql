-- A row of each of two tenants in every table that their first day leaves empty; 1 is the one that is poisoned.
INSERT INTO llm_people (user_id) SELECT n FROM generate_series(1, 2) n;
INSERT INTO llm_agencies (user_id, name, logo, logo_type)
SELECT n, 'Agencia ' || n, '\x89504e470d0a1a0a'::bytea, 'image/png' FROM generate_series(1, 2) n;
INSERT INTO llm_analysis_orders (project_id, user_id, day, open_calls, ceiling_usd)
SELECT n, n, '2026-11-21', 2, 0.5 FROM generate_series(1, 2) n;
INSERT INTO llm_api_tokens (user_id, name, prefix, token_hash, scopes)
SELECT n, 'panel', 'llmm_abcdef' || n, sha256(('token' || n)::bytea), ARRAY ['read'] FROM generate_series(1, 2) n;
INSERT INTO llm_audit_log (user_id, actor_kind, action, project_id, object_id, before, after)
SELECT n, 'command', 'project.change', n, n::text, '{"name": "A"}', '{"name": "B"}' FROM generate_series(1, 2) n;
INSERT INTO llm_batches (id, llm_provider, model_id, key_user_id, key_hash, web_search, pace, run_id, requests, state,
                         outcome, input_file, remote_id, posted_at, ended_at)
SELECT gen_random_uuid(), 'openai', 'gpt-6.1-terra', n, 'hash', FALSE, 'patient', 1, 2, 'forgotten', 'completed',
       'file-' || n, 'batch_' || n, now(), now() FROM generate_series(1, 2) n;
INSERT INTO llm_dismissed_names (project_id, name_key, name) SELECT n, 'sage', 'Sage' FROM generate_series(1, 2) n;
INSERT INTO llm_idempotency_keys (user_id, key, operation, body_hash, status, body, headers)
SELECT n, 'k' || n, 'add_project', sha256('x'), 201, '{"id": 1}', '{"Location": "/x"}' FROM generate_series(1, 2) n;
INSERT INTO llm_monitoring_chunks (run_id, project_ids, tasks, deadline, state, ended_at)
SELECT 1, ARRAY [n], 2, now(), 'done', now() FROM generate_series(1, 2) n;
INSERT INTO llm_monitoring_news (kind, subject, day, line)
SELECT 'near_limit', 'user ' || n, '2026-11-20', 'Aviso ' || n FROM generate_series(1, 2) n;
INSERT INTO llm_paced_days (user_id, analysis_date, month, budget_usd, committed_usd, share_usd, day_usd, full_usd,
                            expected_usd)
SELECT n, d, '2026-11-01', 50, 1, 1, 1, 2, 1 FROM generate_series(1, 2) n, unnest(ARRAY ['2026-11-20'::date, '2026-11-19']) d;
INSERT INTO llm_paced_projects (project_id, analysis_date, user_id, steps, samples, left_out, resting, prompts, expected_usd)
SELECT n, d, n, '{rotation}', 1, '{}', '{}', 2, 1 FROM generate_series(1, 2) n, unnest(ARRAY ['2026-11-20'::date, '2026-11-19']) d;
INSERT INTO llm_paced_days (user_id, analysis_date, month, budget_usd, committed_usd, share_usd, day_usd, full_usd,
                            expected_usd) VALUES (1, '2026-11-21', '2026-11-01', 50, 1, 1, 1, 2, 1);
INSERT INTO llm_paced_projects (project_id, analysis_date, user_id, steps, samples, left_out, resting, prompts, expected_usd)
VALUES (1, '2026-11-21', 1, '{rotation}', 1, '{}', '{}', 2, 1);
INSERT INTO llm_pacing (user_id, on_since, steps)
SELECT n, '2026-11-01', '{sentiment,samples,mode,rotation,providers}' FROM generate_series(1, 2) n;
INSERT INTO llm_project_notes (project_id, day, text, author_kind)
SELECT n, '2026-11-20', 'Nueva página', 'command' FROM generate_series(1, 2) n;
INSERT INTO llm_project_viewers (project_id, user_id) SELECT n, 3 - n FROM generate_series(1, 2) n;
INSERT INTO llm_viewer_invitations (project_id, email) SELECT n, 'v' || n || '@example.com' FROM generate_series(1, 2) n;
INSERT INTO llm_prompt_tags (query_id, tag) SELECT id, 'precio' FROM llm_monitoring_queries;
INSERT INTO llm_reanalysis_jobs (project_id, user_id, answers) SELECT n, n, 2 FROM generate_series(1, 2) n;
INSERT INTO llm_sessions (user_id, session_hash, method, expires_at)
SELECT n, sha256(('session' || n)::bytea), 'link', now() + INTERVAL '1 day' FROM generate_series(1, 2) n;
INSERT INTO llm_share_links (project_id, user_id, label, link_hash, kind, expires_at)
SELECT n, n, 'Cliente', sha256(('share' || n)::bytea), 'live', now() + INTERVAL '1 day' FROM generate_series(1, 2) n;
INSERT INTO llm_sign_in_links (user_id, link_hash, expires_at)
SELECT n, sha256(('link' || n)::bytea), now() + INTERVAL '1 day' FROM generate_series(1, 2) n;
INSERT INTO llm_site_kinds (project_id, site, kind) SELECT n, 'example.com', 'forum' FROM generate_series(1, 2) n;
INSERT INTO llm_spent_hand_offs (hand_off_hash) SELECT sha256(('hand' || n)::bytea) FROM generate_series(1, 2) n;
INSERT INTO llm_stored_figures (project_id, first_day, last_day, filters, version, body, measured_at)
SELECT n, '2026-11-20', '2026-11-20', '{}', repeat('0', 32), '{}', now() FROM generate_series(1, 2) n;
INSERT INTO llm_model_prices (llm_provider, model_id, valid_from, source, cost_per_1m_input_tokens, cost_per_1m_output_tokens)
VALUES ('anthropic', 'claude-sonnet-5-5', '2027-01-01', 'library', 3, 12);
INSERT INTO llm_model_changelog (llm_provider, model_id, changed_by, reason, changes)
VALUES ('anthropic', 'x', 'host', 'x', '{}');
