-- name: last_day
-- The latest day on which a project was measured, or on which a run tried to.
SELECT greatest((SELECT max(analysis_date) FROM llm_monitoring_results WHERE project_id = %(project_id)s),
                (SELECT max(analysis_date) FROM llm_monitoring_failed_tasks WHERE project_id = %(project_id)s)) AS day;

-- name: answers
-- The next page of a period's answers without their text, with the columns that figures and citations need.
SELECT id, query_id, llm_provider, coalesce(model_id, model_used, '') AS model_id, analysis_date, sample, branded,
       brand_mentioned, competitors_mentioned, position_in_list, competitor_positions, brand_cited, competitors_cited,
       sentiment, sentiment_score, sources, rules_fingerprint, mode
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s AND unread_reason IS NULL
  AND (analysis_date, id) > (coalesce((SELECT analysis_date FROM llm_monitoring_results WHERE id = %(after)s),
                                      (SELECT analysis_date FROM llm_monitoring_results
                                       WHERE project_id = %(project_id)s AND id < %(after)s ORDER BY id DESC LIMIT 1),
                                      '-infinity'), %(after)s)
  AND (%(tag)s::text IS NULL OR query_id IN (SELECT t.query_id FROM llm_prompt_tags t WHERE t.tag = %(tag)s))
ORDER BY analysis_date, id
LIMIT %(page)s;

-- name: texts
-- Each prompt's latest answers of a period at each provider, first samples first, cut if it is very long.
WITH newest AS (
    SELECT query_id, llm_provider, max(analysis_date) AS day
    FROM llm_monitoring_results
    WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s AND unread_reason IS NULL
    GROUP BY query_id, llm_provider
)
SELECT r.id, r.query_id, r.llm_provider, r.analysis_date, r.sample, coalesce(r.model_used, r.model_id, '') AS model,
       left(r.full_response, %(longest)s) AS text, char_length(r.full_response) AS length, r.brand_mentioned,
       r.position_in_list, r.total_items_in_list, r.sentiment, r.sources, r.rules_fingerprint,
       coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN newest n ON n.query_id = r.query_id AND n.llm_provider = r.llm_provider AND n.day = r.analysis_date
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         LEFT JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.project_id = %(project_id)s AND r.unread_reason IS NULL
ORDER BY r.sample, r.query_id, r.llm_provider
LIMIT %(most)s;

-- name: prompts
-- The active prompts, and those that were answered in the period.
SELECT q.id, q.query_text, q.is_active, coalesce(q.language, p.language) AS language
FROM llm_monitoring_queries q
         JOIN llm_monitoring_projects p ON p.id = q.project_id
WHERE q.project_id = %(project_id)s
  AND (q.is_active OR EXISTS (SELECT FROM llm_monitoring_results r
                              WHERE r.project_id = q.project_id AND r.query_id = q.id
                                AND r.analysis_date BETWEEN %(first)s AND %(last)s))
ORDER BY q.id;

-- name: failures
-- Reasons of tasks without an answer, or with one that is not analysed yet, by provider and day.
SELECT llm_provider, reason, analysis_date, count(*) AS tasks
FROM (SELECT llm_provider, reason, analysis_date, query_id FROM llm_monitoring_failed_tasks
      WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s
      UNION ALL
      SELECT llm_provider, 'unread', analysis_date, query_id FROM llm_monitoring_results
      WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s AND unread_reason IS NOT NULL) missing
WHERE %(tag)s::text IS NULL OR query_id IN (SELECT t.query_id FROM llm_prompt_tags t WHERE t.tag = %(tag)s)
GROUP BY llm_provider, reason, analysis_date
ORDER BY llm_provider, reason, analysis_date;

-- name: failed_prompts
-- The latest failure of each prompt without an answer in the period.
SELECT DISTINCT ON (query_id, llm_provider) query_id, llm_provider, reason
FROM llm_monitoring_failed_tasks
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s
ORDER BY query_id, llm_provider, analysis_date DESC, reason;

-- name: results_count
-- The number of answers that an export of results or citations reads.
SELECT count(*) AS rows
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND (%(first)s::date IS NULL OR analysis_date >= %(first)s)
  AND (%(last)s::date IS NULL OR analysis_date <= %(last)s)
  AND (%(providers)s::text[] IS NULL OR llm_provider = ANY (%(providers)s));

-- name: results
-- The next page of stored answers with their analysis.
SELECT id, analysis_date, llm_provider, model_id, model_used, query_id, query_text, sample, branded, brand_name,
       brand_mentioned, mention_count, mention_order, position_in_list, total_items_in_list, ranking_kind,
       appears_in_numbered_list, sentiment, sentiment_score, sentiment_status, competitors_mentioned, competitor_positions,
       brand_cited, competitors_cited, mention_contexts, finish_reason, input_tokens, output_tokens, tokens_used, cost_usd,
       response_time_ms, analysis_version, unread_reason, created_at, mode, full_response, rules_fingerprint
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND (%(first)s::date IS NULL OR analysis_date >= %(first)s)
  AND (%(last)s::date IS NULL OR analysis_date <= %(last)s)
  AND (%(providers)s::text[] IS NULL OR llm_provider = ANY (%(providers)s))
  AND (analysis_date, id) > (coalesce((SELECT analysis_date FROM llm_monitoring_results WHERE id = %(after)s),
                                      (SELECT analysis_date FROM llm_monitoring_results
                                       WHERE project_id = %(project_id)s AND id < %(after)s ORDER BY id DESC LIMIT 1),
                                      '-infinity'), %(after)s)
ORDER BY analysis_date, id
LIMIT %(page)s;

-- name: citations
-- The next page of stored answers with the pages that they cite.
SELECT id, analysis_date, llm_provider, model_id, query_id, query_text, sample, branded, brand_mentioned,
       competitors_mentioned, sources, unread_reason, rules_fingerprint
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND (%(first)s::date IS NULL OR analysis_date >= %(first)s)
  AND (%(last)s::date IS NULL OR analysis_date <= %(last)s)
  AND (%(providers)s::text[] IS NULL OR llm_provider = ANY (%(providers)s))
  AND (analysis_date, id) > (coalesce((SELECT analysis_date FROM llm_monitoring_results WHERE id = %(after)s),
                                      (SELECT analysis_date FROM llm_monitoring_results
                                       WHERE project_id = %(project_id)s AND id < %(after)s ORDER BY id DESC LIMIT 1),
                                      '-infinity'), %(after)s)
ORDER BY analysis_date, id
LIMIT %(page)s;

-- name: snapshots_count
-- The number of snapshots of an export.
SELECT count(*) AS rows
FROM llm_monitoring_snapshots
WHERE project_id = %(project_id)s AND (%(first)s::date IS NULL OR snapshot_date >= %(first)s)
  AND (%(last)s::date IS NULL OR snapshot_date <= %(last)s)
  AND (%(providers)s::text[] IS NULL OR llm_provider = ANY (%(providers)s));

-- name: snapshots
-- The next page of snapshots.
SELECT id, snapshot_date, llm_provider, model_id, models_served, model_changed, mode, mode_changed, total_queries, failed_queries,
       unread_queries, total_mentions, mention_rate, mention_rate_low, mention_rate_high, share_of_voice, weighted_share_of_voice, total_competitor_mentions,
       competitor_breakdown, avg_position, appeared_in_top3, appeared_in_top5, appeared_in_top10, citation_rate,
       positive_mentions, neutral_mentions, negative_mentions, avg_sentiment_score, branded_total_queries,
       branded_total_mentions, avg_response_time_ms, total_cost_usd, total_tokens, rules_fingerprint
FROM llm_monitoring_snapshots
WHERE project_id = %(project_id)s AND (%(first)s::date IS NULL OR snapshot_date >= %(first)s)
  AND (%(last)s::date IS NULL OR snapshot_date <= %(last)s)
  AND (%(providers)s::text[] IS NULL OR llm_provider = ANY (%(providers)s))
  AND (snapshot_date, id) > (coalesce((SELECT snapshot_date FROM llm_monitoring_snapshots WHERE id = %(after)s),
                                      '-infinity'), %(after)s)
ORDER BY snapshot_date, id
LIMIT %(page)s;
