-- name: load_quickly
-- Do not wait for the disk, because the load may be lost.
ALTER SYSTEM SET fsync = off;

-- name: load_with_long_checkpoints
-- Fewer checkpoints during the load.
ALTER SYSTEM SET max_wal_size = '8GB';

-- name: load_without_page_images
-- Write no page images, because the load may be lost.
ALTER SYSTEM SET full_page_writes = off;

-- name: as_shipped
-- Restore the server's defaults.
ALTER SYSTEM RESET ALL;

-- name: reload
-- Read the settings again.
SELECT pg_reload_conf();

-- name: add_samples
-- Store the answers that the days are filled from, with their analysis and replies.
CREATE TABLE bench_samples AS
SELECT no, provider, model, text, citations, sources, contexts, mentioned, mention_count, mention_order, position, total,
       ranking_kind, numbered, competitors, competitor_positions, brand_cited, competitors_cited, input_tokens, output_tokens,
       convert_to(reply, 'UTF8') AS reply, convert_to(verdict, 'UTF8') AS verdict
FROM jsonb_to_recordset(%(samples)s) AS s (
    no INTEGER, provider TEXT, model TEXT, text TEXT, citations JSONB, sources JSONB, contexts TEXT[], mentioned BOOLEAN,
    mention_count INTEGER, mention_order INTEGER, position INTEGER, total INTEGER, ranking_kind TEXT, numbered BOOLEAN,
    competitors JSONB, competitor_positions JSONB, brand_cited BOOLEAN, competitors_cited JSONB, input_tokens INTEGER,
    output_tokens INTEGER, reply TEXT, verdict TEXT);

-- name: index_samples
-- Index the samples by provider and number.
CREATE UNIQUE INDEX ON bench_samples (provider, no);

-- name: add_users
-- Add users with a budget that is never exhausted.
WITH added AS (
    INSERT INTO users (email) SELECT 'bench' || n || '@example.com' FROM generate_series(1, %(users)s) AS n RETURNING id
)
INSERT INTO user_llm_api_keys (user_id, monthly_budget_usd) SELECT id, 1000000 FROM added;

-- name: add_projects
-- Projects of `per_user` a user that are asked from the first day to the last; those of the last day are still active.
CREATE TABLE bench_lives AS
WITH owners AS (
    SELECT user_id, row_number() OVER (ORDER BY user_id) AS place FROM user_llm_api_keys
), planned AS (
    SELECT n, n %% %(alive)s + 1 AS place, %(first)s::date + (n / %(alive)s) * %(life)s AS born,
           least(%(last)s::date, %(first)s::date + (n / %(alive)s + 1) * %(life)s - 1) AS died, FALSE AS crowd
    FROM generate_series(0, %(projects)s - 1) AS n
    UNION ALL
    SELECT n, n + %(alive)s, %(today)s::date, %(today)s::date, TRUE FROM generate_series(1, %(crowd)s) AS n
), added AS (
    INSERT INTO llm_monitoring_projects (user_id, name, brand_name, brand_domains, industry, competitors, is_active, created_at)
    SELECT o.user_id, 'Project ' || p.born || ' ' || p.n, %(brand)s, %(domains)s, %(industry)s, %(competitors)s,
           p.died >= %(last)s::date, p.born
    FROM planned p JOIN owners o ON o.place = 1 + (p.place - 1) / %(per_user)s
    RETURNING id, user_id, name
)
SELECT a.id AS project_id, a.user_id, p.born, p.died, p.crowd
FROM added a JOIN planned p ON a.name = 'Project ' || p.born || ' ' || p.n;

-- name: add_prompts
-- The prompts of every project.
INSERT INTO llm_monitoring_queries (project_id, query_text)
SELECT project_id, (%(prompts)s::text[])[1 + n %% cardinality(%(prompts)s::text[])] || ' (' || n || ')'
FROM bench_lives CROSS JOIN generate_series(0, %(per_project)s - 1) AS n;

-- name: open_run
-- A day's run: the last day's is under way.
INSERT INTO llm_monitoring_analysis_runs (analysis_date, status, owner, started_at, finished_at)
SELECT %(day)s::date, status, 'bench', %(day)s::date + INTERVAL '4 hours',
       CASE status WHEN 'completed' THEN %(day)s::date + INTERVAL '8 hours' END
FROM (SELECT CASE WHEN %(day)s::date < %(today)s::date THEN 'completed' ELSE 'running' END AS status) s
RETURNING id;

-- name: add_day
-- Add a finished day: calls, replies within their retention, answers, failures. One task in a hundred fails.
WITH tasks AS MATERIALIZED (
    SELECT l.project_id, l.user_id, q.id AS query_id, q.query_text, s.*, random() AS luck, gen_random_uuid() AS call_id,
           gen_random_uuid() AS judge_id, gen_random_uuid() AS lost_id,
           row_number() OVER (PARTITION BY l.project_id, s.provider ORDER BY q.id) AS turn
    FROM bench_lives l
             JOIN llm_monitoring_queries q ON q.project_id = l.project_id
             CROSS JOIN unnest(%(providers)s::text[]) AS p (name)
             JOIN bench_samples s ON s.provider = p.name
                                  AND s.no = abs(hashint4(q.id * 31 + (%(day)s::date - '2020-01-01'::date))) %% %(samples)s
    WHERE %(day)s::date BETWEEN l.born AND l.died
), calls AS MATERIALIZED (
    SELECT t.*, luck < 0.01 AS failed,
           %(day)s::date + INTERVAL '4 hours' + row_number() OVER (ORDER BY turn, project_id, provider)
               * (INTERVAL '3 hours' / count(*) OVER ()) AS at
    FROM tasks t
    WHERE turn <= %(turns)s
), attempts AS (
    SELECT call_id AS id, 'answer' AS kind, CASE WHEN failed THEN 'unknown' ELSE 'settled' END AS state, 0.02 AS ceiling,
           CASE WHEN failed THEN 0.02 ELSE 0.0031 + length(text) / 1e6 END AS charged, provider AS called, c.*
    FROM calls c
    UNION ALL
    SELECT judge_id, 'sentiment', 'settled', 0.0004, 0.00009, 'openai', c.* FROM calls c WHERE mentioned AND NOT failed
    UNION ALL
    SELECT lost_id, 'answer', 'void', 0.02, 0, provider, c.* FROM calls c WHERE luck > 0.98
), ledger AS (
    INSERT INTO llm_call_attempts (id, kind, state, user_id, month, run_id, project_id, query_id, task_provider, analysis_date,
                                   sample, llm_provider, model_id, model_served, key_source, ceiling_usd, charged_usd,
                                   committed_usd, budget_usd, input_tokens, output_tokens, cached_tokens, cache_write_tokens,
                                   reasoning_tokens, searches, error_kind, error_message, reserved_at, sent_token, sent_at,
                                   closed_at)
    SELECT id, kind, state, user_id, date_trunc('month', %(day)s::date), %(run_id)s, project_id, query_id, provider, %(day)s,
           1, called, CASE kind WHEN 'answer' THEN model ELSE 'gpt-6-luna' END, model, 'operator', ceiling, charged, 12.5,
           1000000, input_tokens, output_tokens, 0, 0, 0, 0,
           CASE state WHEN 'settled' THEN NULL WHEN 'void' THEN 'rate_limited' ELSE 'unavailable' END,
           CASE state WHEN 'settled' THEN NULL ELSE 'the provider said that it had no room for this call' END,
           at, gen_random_uuid(), at + INTERVAL '5 ms', at + INTERVAL '3 s'
    FROM attempts ORDER BY at
), receipts AS (
    INSERT INTO llm_call_receipts (attempt_id, received_at, http_status, latency_ms, request_id, body)
    SELECT id, at + INTERVAL '3 s', 200, 2900, 'req_' || replace(id::text, '-', ''),
           CASE kind WHEN 'answer' THEN reply ELSE verdict END
    FROM attempts WHERE state = 'settled' AND %(kept)s ORDER BY at
), failures AS (
    INSERT INTO llm_monitoring_failed_tasks (project_id, query_id, llm_provider, analysis_date, sample, model_id, reason,
                                             message, final, run_id, failed_at)
    SELECT project_id, query_id, provider, %(day)s, 1, model, 'unavailable', 'the provider answered 503 three times', FALSE,
           %(run_id)s, at
    FROM calls WHERE failed
)
INSERT INTO llm_monitoring_results (project_id, query_id, analysis_date, llm_provider, model_used, query_text, brand_name,
                                    brand_mentioned, mention_count, mention_contexts, appears_in_numbered_list,
                                    position_in_list, total_items_in_list, sentiment, sentiment_score,
                                    competitors_mentioned, full_response, response_length, tokens_used, input_tokens,
                                    output_tokens, cost_usd, response_time_ms, created_at, model_id, run_id, attempt_id,
                                    mention_order, ranking_kind, competitor_positions, citations, sources, brand_cited,
                                    competitors_cited, finish_reason, sentiment_status, analysis_version, rules_fingerprint)
SELECT project_id, query_id, %(day)s, provider, model, query_text, %(brand)s, mentioned, mention_count, contexts, numbered,
       position, total, CASE WHEN mentioned THEN 'positive' END, CASE WHEN mentioned THEN 0.8 END, competitors,
       CASE WHEN %(kept)s THEN text END, length(text), input_tokens + output_tokens, input_tokens, output_tokens,
       0.0031 + length(text) / 1e6, 2900, at + INTERVAL '3 s', model, %(run_id)s, call_id, mention_order, ranking_kind,
       competitor_positions, CASE WHEN %(kept)s THEN citations ELSE '[]' END, sources, brand_cited, competitors_cited, 'stop',
       CASE WHEN NOT mentioned THEN 'none' WHEN luck > 0.999 THEN 'pending' ELSE 'scored' END, '3', %(fingerprint)s
FROM calls WHERE NOT failed ORDER BY at;

-- name: add_figures
-- The snapshots of a day's answers.
INSERT INTO llm_monitoring_snapshots (project_id, snapshot_date, llm_provider, model_id, models_served, total_queries,
                                      total_mentions, mention_rate, mention_rate_low, mention_rate_high, share_of_voice,
                                      weighted_share_of_voice, total_competitor_mentions, competitor_breakdown,
                                      appeared_in_top3, positive_mentions, total_cost_usd, total_tokens, rules_fingerprint)
SELECT project_id, analysis_date, llm_provider, model_id, ARRAY [model_id], count(*), count(*) FILTER (WHERE brand_mentioned),
       40, 30, 50, 25, 25, 90, '{"Holded": 40, "Sage": 20, "Billin": 20, "Contasimple": 10}', 10, 20, sum(cost_usd),
       sum(tokens_used), %(fingerprint)s
FROM llm_monitoring_results
WHERE analysis_date = %(day)s
GROUP BY 1, 2, 3, 4;

-- name: leave_open
-- The open calls of a dead run, some of them with a receipt.
WITH opened AS (
    INSERT INTO llm_call_attempts (id, kind, state, user_id, month, run_id, project_id, query_id, task_provider, analysis_date,
                                   sample, llm_provider, model_id, key_source, ceiling_usd, committed_usd, budget_usd,
                                   sent_token, sent_at)
    SELECT gen_random_uuid(), 'answer', 'sent', l.user_id, date_trunc('month', %(day)s::date), %(run_id)s, l.project_id, q.id,
           'openai', %(day)s, 1, 'openai', 'gpt-6.1-terra', 'operator', 0.02, 12.5, 1000000, gen_random_uuid(), now()
    FROM bench_lives l
             JOIN LATERAL (SELECT max(id) AS id FROM llm_monitoring_queries WHERE project_id = l.project_id) q ON TRUE
    WHERE %(day)s::date BETWEEN l.born AND l.died
    LIMIT %(calls)s
    RETURNING id
)
INSERT INTO llm_call_receipts (attempt_id, http_status, latency_ms, body)
SELECT o.id, 200, 2900, s.reply FROM opened o JOIN bench_samples s ON s.provider = 'openai' AND s.no = 0
LIMIT %(calls)s / 2;

-- name: balance
-- Set the counters to the sums of the month's calls.
UPDATE user_llm_api_keys k
SET current_month_spend = sums.charged, reserved_spend_usd = sums.reserved, last_spend_reset = %(month)s
FROM (SELECT user_id, sum(charged_usd) AS charged,
             coalesce(sum(ceiling_usd) FILTER (WHERE state IN ('reserved', 'sent')), 0) AS reserved
      FROM llm_call_attempts WHERE month = %(month)s GROUP BY user_id) sums
WHERE sums.user_id = k.user_id;

-- name: sizes
-- Every table and index of more than a megabyte, in rows and bytes; a table's own bytes hold its long texts too.
SELECT t.relname AS "table", i.relname AS index, t.reltuples::bigint AS rows,
       CASE WHEN i.oid IS NULL THEN pg_table_size(t.oid) ELSE pg_relation_size(i.oid) END AS bytes,
       CASE WHEN i.oid IS NULL AND t.reltoastrelid <> 0 THEN pg_total_relation_size(t.reltoastrelid) ELSE 0 END AS toast
FROM pg_class t
         JOIN LATERAL (SELECT NULL::oid AS oid, NULL::name AS relname
                       UNION ALL
                       SELECT c.oid, c.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
                       WHERE x.indrelid = t.oid) i ON TRUE
WHERE t.relkind = 'r' AND t.relname ~ '^(llm_|user_llm)' AND pg_total_relation_size(t.oid) > 1e6
ORDER BY pg_total_relation_size(t.oid) DESC, t.relname, i.relname NULLS FIRST;

-- name: a_project
-- The living project with the longest history, and one of those of the last day alone.
SELECT project_id, user_id, born, died FROM bench_lives WHERE crowd = %(crowd)s ORDER BY died DESC, born, project_id LIMIT 1;

-- name: asked_today
-- Every project that is asked on the last day, so many of them.
SELECT project_id FROM bench_lives WHERE died = %(today)s ORDER BY project_id LIMIT %(most)s;

-- name: a_call
-- An answered call of a project's day with its task and its answer.
SELECT a.id::text AS id, a.project_id, a.query_id, a.task_provider AS provider, a.user_id, r.id AS result_id
FROM llm_call_attempts a JOIN llm_monitoring_results r ON r.attempt_id = a.id
WHERE a.project_id = %(project_id)s AND a.analysis_date = %(day)s AND a.kind = 'answer' AND r.brand_mentioned
LIMIT 1;

-- name: a_call_that_is_out
-- A call without a reply yet.
SELECT id::text AS id, sent_token::text AS token FROM llm_call_attempts a
WHERE state = 'sent' AND NOT EXISTS (SELECT FROM llm_call_receipts r WHERE r.attempt_id = a.id)
LIMIT 1;

-- name: an_open_task
-- A task of the last day that is not asked yet.
SELECT q.project_id, q.id AS query_id, l.user_id
FROM bench_lives l JOIN llm_monitoring_queries q ON q.project_id = l.project_id
WHERE l.died = (SELECT max(died) FROM bench_lives)
ORDER BY q.id DESC OFFSET 1 LIMIT 1;

-- name: last_page
-- The answer after which the last page of a project's answers begins.
SELECT id FROM llm_monitoring_results WHERE project_id = %(project_id)s ORDER BY id DESC OFFSET %(page)s LIMIT 1;

-- name: latest_run
-- The run that is under way.
SELECT max(id) AS id FROM llm_monitoring_analysis_runs;

-- name: a_reply
-- A provider's reply of usual length.
SELECT reply FROM bench_samples WHERE provider = 'google' ORDER BY length(reply), no OFFSET 75 LIMIT 1;

-- name: log_position
-- The current position of the write-ahead log.
SELECT pg_current_wal_insert_lsn()::text AS at;

-- name: log_written
-- The bytes written to it since.
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %(since)s::pg_lsn)::bigint AS bytes;
