-- name: save
-- Store a valid answer with its analysis, unless its prompt was deleted; a task has one answer, and its failure is deleted.
-- prepared: project_id integer, query_id integer, provider text, day date, sample smallint, model_id text, model_used text, run_id bigint, attempt_id uuid, query_text text, brand_name text, branded boolean, brand_mentioned boolean, mention_count integer, mention_contexts text[], mention_order integer, position_in_list integer, total_items_in_list integer, ranking_kind text, appears_in_numbered_list boolean, competitors_mentioned jsonb, competitor_positions jsonb, citations jsonb, sources jsonb, brand_cited boolean, competitors_cited jsonb, full_response text, response_length integer, finish_reason text, tokens_used integer, input_tokens integer, output_tokens integer, cost_usd numeric, response_time_ms integer, sentiment_status text, analysis_version text, rules_fingerprint text, unread_reason text, mode text
WITH forgotten AS (
    DELETE FROM llm_monitoring_failed_tasks
    WHERE project_id = %(project_id)s AND query_id = %(query_id)s AND llm_provider = %(provider)s
      AND analysis_date = %(day)s AND sample = %(sample)s
)
INSERT INTO llm_monitoring_results (project_id, query_id, llm_provider, analysis_date, sample, model_id, model_used, run_id,
                                    attempt_id, query_text, brand_name, branded, brand_mentioned, mention_count,
                                    mention_contexts, mention_order, position_in_list, total_items_in_list, ranking_kind,
                                    appears_in_numbered_list, competitors_mentioned, competitor_positions, citations,
                                    sources, brand_cited, competitors_cited, full_response, response_length, finish_reason,
                                    tokens_used, input_tokens, output_tokens, cost_usd, response_time_ms,
                                    sentiment_status, analysis_version, rules_fingerprint, unread_reason, mode)
SELECT %(project_id)s, %(query_id)s, %(provider)s, %(day)s, %(sample)s, %(model_id)s, %(model_used)s, %(run_id)s,
        %(attempt_id)s, %(query_text)s, coalesce(%(brand_name)s, p.brand_name), %(branded)s, %(brand_mentioned)s, %(mention_count)s,
        %(mention_contexts)s, %(mention_order)s, %(position_in_list)s, %(total_items_in_list)s, %(ranking_kind)s,
        %(appears_in_numbered_list)s, %(competitors_mentioned)s, %(competitor_positions)s, %(citations)s, %(sources)s,
        %(brand_cited)s, %(competitors_cited)s, %(full_response)s, %(response_length)s, %(finish_reason)s, %(tokens_used)s,
        %(input_tokens)s, %(output_tokens)s, %(cost_usd)s, %(response_time_ms)s, %(sentiment_status)s, %(analysis_version)s,
        %(rules_fingerprint)s, %(unread_reason)s, %(mode)s
FROM llm_monitoring_projects p
WHERE p.id = %(project_id)s AND EXISTS (SELECT FROM llm_monitoring_queries WHERE id = %(query_id)s)
ON CONFLICT (project_id, query_id, llm_provider, analysis_date, sample) DO NOTHING;

-- name: is_missing
-- A row if a task has no answer although its prompt is there.
-- prepared: project_id integer, query_id integer, provider text, day date, sample smallint
SELECT 1 AS missing
FROM llm_monitoring_projects p JOIN llm_monitoring_queries q ON q.id = %(query_id)s
WHERE p.id = %(project_id)s
  AND NOT EXISTS (SELECT FROM llm_monitoring_results
                  WHERE project_id = %(project_id)s AND query_id = %(query_id)s AND llm_provider = %(provider)s
                    AND analysis_date = %(day)s AND sample = %(sample)s);

-- name: is_unscored
-- A row if the answer of a task is there and was never scored.
SELECT 1 AS unscored FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND query_id = %(query_id)s AND llm_provider = %(provider)s AND analysis_date = %(day)s
  AND sample = %(sample)s AND sentiment_status <> 'scored';

-- name: set_sentiment
-- Store the judge's verdict, or why there is none.
UPDATE llm_monitoring_results
SET sentiment = %(sentiment)s, sentiment_score = %(score)s, sentiment_status = %(status)s, sentiment_reason = %(reason)s
WHERE project_id = %(project_id)s AND query_id = %(query_id)s AND llm_provider = %(provider)s AND analysis_date = %(day)s
  AND sample = %(sample)s AND sentiment_status <> 'scored';

-- name: newest
-- The answer that was stored last.
SELECT coalesce(max(id), 0) AS id FROM llm_monitoring_results;

-- name: pending_sentiment
-- The next page of the day's answers up to `until` that mention the brand and were never scored.
SELECT r.id, p.user_id, r.project_id, r.query_id, r.llm_provider AS task_provider, r.analysis_date, r.sample,
       r.query_text, r.mention_contexts, coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.sentiment_status = 'pending' AND r.analysis_date = %(day)s AND r.project_id = ANY (%(projects)s) AND r.id > %(after)s
  AND r.id <= %(until)s
ORDER BY r.id
LIMIT %(page)s;

-- name: unscored
-- How many of the day's answers that mention the brand were never scored, by project.
SELECT project_id, count(*)::int AS answers
FROM llm_monitoring_results
WHERE sentiment_status = 'pending' AND analysis_date = %(day)s AND project_id = ANY (%(projects)s)
GROUP BY project_id;

-- name: lock_project
-- Wait until no other writer has the project's figures.
SELECT id FROM llm_monitoring_projects WHERE id = %(project_id)s FOR NO KEY UPDATE;

-- name: observations
-- The valid answers of a project's day with the columns that figures need.
SELECT id, query_id, llm_provider, coalesce(model_id, model_used, '') AS model_id, model_used, analysis_date, sample,
       branded, brand_mentioned, competitors_mentioned, position_in_list, competitor_positions, brand_cited, sentiment,
       sentiment_score, response_time_ms, rules_fingerprint, mode
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date = %(day)s AND unread_reason IS NULL
ORDER BY llm_provider, query_id, sample;

-- name: cell_unread
-- How many answers of a project's day are not analysed yet, by provider and model.
SELECT llm_provider AS provider, coalesce(model_id, model_used, '') AS model_id, count(*) AS answers
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date = %(day)s AND unread_reason IS NOT NULL
GROUP BY 1, 2;

-- name: cell_costs
-- What all calls of a project's day cost and how long those took that brought an answer, read or not, by provider and model; answers older than the ledger have a cost of their own.
SELECT provider, model_id, sum(cost_usd) AS cost_usd, coalesce(sum(tokens), 0) AS tokens,
       round(avg(response_ms))::integer AS response_ms
FROM (SELECT a.task_provider AS provider, coalesce(r.model_id, a.model_id) AS model_id,
             a.charged_usd AS cost_usd, a.input_tokens::bigint + a.output_tokens AS tokens,
             CASE WHEN r.attempt_id = a.id THEN r.response_time_ms END AS response_ms
      FROM llm_call_attempts a
               LEFT JOIN llm_monitoring_results r
                         ON r.project_id = a.project_id AND r.query_id = a.query_id AND r.llm_provider = a.task_provider
                            AND r.analysis_date = a.analysis_date AND r.sample = a.sample
      WHERE a.project_id = %(project_id)s AND a.analysis_date = %(day)s AND a.kind IN ('answer', 'sentiment')
      UNION ALL
      SELECT llm_provider, coalesce(model_id, model_used, ''), coalesce(cost_usd, 0), tokens_used, response_time_ms
      FROM llm_monitoring_results
      WHERE project_id = %(project_id)s AND analysis_date = %(day)s AND attempt_id IS NULL) calls
GROUP BY 1, 2;

-- name: cell_failures
-- How many tasks of a project's day failed, by provider and model.
SELECT f.llm_provider AS provider, coalesce(f.model_id, '') AS model_id, count(*) AS failures
FROM llm_monitoring_failed_tasks f
WHERE f.project_id = %(project_id)s AND f.analysis_date = %(day)s
GROUP BY 1, 2;

-- name: previous_model
-- The model and the mode of a provider's last snapshot before the day.
SELECT model_id, mode FROM llm_monitoring_snapshots
WHERE project_id = %(project_id)s AND llm_provider = %(provider)s AND snapshot_date < %(day)s AND total_queries > 0
ORDER BY snapshot_date DESC, total_queries DESC
LIMIT 1;

-- name: save_snapshot
-- Store a cell's figures, replacing those of an earlier run of the day.
INSERT INTO llm_monitoring_snapshots (project_id, snapshot_date, llm_provider, model_id, models_served, model_changed,
                                      total_queries, failed_queries, unread_queries, total_mentions, mention_rate, mention_rate_low,
                                      mention_rate_high, avg_position, appeared_in_top3, appeared_in_top5, appeared_in_top10,
                                      total_competitor_mentions, share_of_voice, weighted_share_of_voice,
                                      competitor_breakdown, citation_rate, positive_mentions, neutral_mentions,
                                      negative_mentions, avg_sentiment_score, branded_total_queries,
                                      branded_total_mentions, avg_response_time_ms, total_cost_usd, total_tokens,
                                      rules_fingerprint, mode, mode_changed)
VALUES (%(project_id)s, %(day)s, %(provider)s, %(model_id)s, %(models_served)s, %(model_changed)s, %(total_queries)s,
        %(failed_queries)s, %(unread_queries)s, %(total_mentions)s, %(mention_rate)s, %(mention_rate_low)s, %(mention_rate_high)s,
        %(avg_position)s, %(appeared_in_top3)s, %(appeared_in_top5)s, %(appeared_in_top10)s, %(total_competitor_mentions)s,
        %(share_of_voice)s, %(weighted_share_of_voice)s, %(competitor_breakdown)s, %(citation_rate)s, %(positive_mentions)s,
        %(neutral_mentions)s, %(negative_mentions)s, %(avg_sentiment_score)s, %(branded_total_queries)s,
        %(branded_total_mentions)s, %(avg_response_time_ms)s, %(total_cost_usd)s, %(total_tokens)s,
        %(rules_fingerprint)s, %(mode)s, %(mode_changed)s)
ON CONFLICT (project_id, llm_provider, snapshot_date, model_id) DO UPDATE
    SET models_served = excluded.models_served, model_changed = excluded.model_changed,
        mode = excluded.mode, mode_changed = excluded.mode_changed,
        total_queries = excluded.total_queries, failed_queries = excluded.failed_queries,
        unread_queries = excluded.unread_queries,
        total_mentions = excluded.total_mentions, mention_rate = excluded.mention_rate,
        mention_rate_low = excluded.mention_rate_low, mention_rate_high = excluded.mention_rate_high,
        avg_position = excluded.avg_position, appeared_in_top3 = excluded.appeared_in_top3,
        appeared_in_top5 = excluded.appeared_in_top5, appeared_in_top10 = excluded.appeared_in_top10,
        total_competitor_mentions = excluded.total_competitor_mentions, share_of_voice = excluded.share_of_voice,
        weighted_share_of_voice = excluded.weighted_share_of_voice, competitor_breakdown = excluded.competitor_breakdown,
        citation_rate = excluded.citation_rate, positive_mentions = excluded.positive_mentions,
        neutral_mentions = excluded.neutral_mentions, negative_mentions = excluded.negative_mentions,
        avg_sentiment_score = excluded.avg_sentiment_score, branded_total_queries = excluded.branded_total_queries,
        branded_total_mentions = excluded.branded_total_mentions, avg_response_time_ms = excluded.avg_response_time_ms,
        total_cost_usd = excluded.total_cost_usd, total_tokens = excluded.total_tokens,
        rules_fingerprint = excluded.rules_fingerprint, updated_at = now();

-- name: drop_empty_cells
-- Delete cells of the day without answers and failures, and the rows of the older form, one a provider.
DELETE FROM llm_monitoring_snapshots
WHERE project_id = %(project_id)s AND snapshot_date = %(day)s
  AND (total_queries = 0 AND branded_total_queries = 0 OR model_id = '' AND llm_provider = ANY (%(providers)s))
  AND NOT ((llm_provider, model_id) IN (SELECT * FROM unnest(%(providers)s::text[], %(models)s::text[])));
