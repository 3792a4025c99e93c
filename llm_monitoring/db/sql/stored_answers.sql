-- name: page
-- The next page of a project's stored answers without their text, latest first; with sources if they decide.
SELECT id, project_id, analysis_date, llm_provider, model_id, model_used, query_id, query_text, sample, branded, brand_name,
       brand_mentioned, mention_count, position_in_list, total_items_in_list, sentiment, sentiment_score, sentiment_status,
       competitors_mentioned, competitor_positions, brand_cited, competitors_cited, cost_usd, finish_reason, unread_reason,
       mode, rules_fingerprint, mention_contexts, CASE WHEN %(with_sources)s THEN sources END AS sources
FROM llm_monitoring_results
WHERE project_id = %(project_id)s
  AND (%(first)s::date IS NULL OR analysis_date >= %(first)s) AND (%(last)s::date IS NULL OR analysis_date <= %(last)s)
  AND (%(providers)s::text[] IS NULL OR llm_provider = ANY (%(providers)s))
  AND (%(model)s::text IS NULL OR %(model)s IN (model_id, model_used))
  AND (%(query_id)s::int IS NULL OR query_id = %(query_id)s)
  AND (%(tag)s::text IS NULL OR query_id IN (SELECT t.query_id FROM llm_prompt_tags t WHERE t.tag = %(tag)s))
  AND (%(before_day)s::date IS NULL OR (analysis_date, id) < (%(before_day)s, %(before_id)s))
ORDER BY analysis_date DESC, id DESC
LIMIT %(page)s;

-- name: answer
-- One stored answer with all its columns.
SELECT r.id, r.project_id, r.analysis_date, r.llm_provider, r.model_id, r.model_used, r.query_id, r.query_text, r.sample,
       r.branded, r.brand_name, r.brand_mentioned, r.mention_count, r.position_in_list, r.total_items_in_list,
       r.ranking_kind, r.sentiment, r.sentiment_score, r.sentiment_status, r.competitors_mentioned, r.competitor_positions,
       r.brand_cited, r.competitors_cited, r.sources, r.cost_usd, r.input_tokens, r.output_tokens, r.response_time_ms,
       r.finish_reason, r.analysis_version, r.unread_reason, r.created_at, r.mode, r.full_response, r.rules_fingerprint,
       coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         LEFT JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.id = %(id)s;

-- name: neighbours
-- The answers to the same prompt, by the same provider and of the same sample, of the days before and after a day.
(SELECT id, analysis_date, TRUE AS is_earlier FROM llm_monitoring_results
 WHERE project_id = %(project_id)s AND query_id = %(query_id)s AND llm_provider = %(provider)s AND sample = %(sample)s
   AND analysis_date < %(day)s
 ORDER BY analysis_date DESC LIMIT 1)
UNION ALL
(SELECT id, analysis_date, FALSE FROM llm_monitoring_results
 WHERE project_id = %(project_id)s AND query_id = %(query_id)s AND llm_provider = %(provider)s AND sample = %(sample)s
   AND analysis_date > %(day)s
 ORDER BY analysis_date LIMIT 1);

-- name: same_day
-- All answers to a prompt of a day.
SELECT id, llm_provider, sample FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND query_id = %(query_id)s AND analysis_date = %(day)s
ORDER BY llm_provider, sample;
