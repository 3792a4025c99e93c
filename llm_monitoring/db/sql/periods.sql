-- name: observations
-- The valid answers of a period, with the columns that figures need, in a stable order.
SELECT id, query_id, llm_provider, coalesce(model_id, model_used, '') AS model_id, analysis_date, sample, branded,
       coalesce(brand_mentioned, FALSE) AS brand_mentioned, competitors_mentioned, position_in_list,
       competitor_positions, brand_cited, sentiment, sentiment_score, rules_fingerprint, mode
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s AND unread_reason IS NULL
  AND (%(provider)s::text IS NULL OR llm_provider = %(provider)s)
  AND (%(tag)s::text IS NULL OR query_id IN (SELECT t.query_id FROM llm_prompt_tags t WHERE t.tag = %(tag)s))
  AND (%(query_id)s::int IS NULL OR query_id = %(query_id)s)
ORDER BY analysis_date, llm_provider, query_id, sample;

-- name: totals
-- The cost of a period's calls and the number of failed tasks, by provider.
SELECT llm_provider, sum(failed_queries) AS failed, coalesce(sum(total_cost_usd), 0) AS cost_usd
FROM llm_monitoring_snapshots
WHERE project_id = %(project_id)s AND snapshot_date BETWEEN %(first)s AND %(last)s
  AND (%(provider)s::text IS NULL OR llm_provider = %(provider)s)
GROUP BY llm_provider;

-- name: totals_of_tag
-- The cost of the calls of the prompts with a tag in a period and the number of their failed tasks, by provider.
SELECT llm_provider, sum(failed) AS failed, sum(cost_usd) AS cost_usd
FROM (SELECT f.llm_provider, 1 AS failed, 0 AS cost_usd, f.query_id
      FROM llm_monitoring_failed_tasks f
      WHERE f.project_id = %(project_id)s AND f.analysis_date BETWEEN %(first)s AND %(last)s
      UNION ALL
      SELECT a.task_provider, 0, a.charged_usd, a.query_id
      FROM llm_call_attempts a
      WHERE a.project_id = %(project_id)s AND a.analysis_date BETWEEN %(first)s AND %(last)s
        AND a.kind IN ('answer', 'sentiment')
      UNION ALL
      SELECT r.llm_provider, 0, coalesce(r.cost_usd, 0), r.query_id
      FROM llm_monitoring_results r
      WHERE r.project_id = %(project_id)s AND r.analysis_date BETWEEN %(first)s AND %(last)s AND r.attempt_id IS NULL) parts
WHERE query_id IN (SELECT t.query_id FROM llm_prompt_tags t WHERE t.tag = %(tag)s)
  AND (%(provider)s::text IS NULL OR llm_provider = %(provider)s)
GROUP BY llm_provider;

-- name: unread
-- The number of a period's stored answers that are not analysed yet.
SELECT count(*)::int AS answers
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s AND unread_reason IS NOT NULL
  AND (%(provider)s::text IS NULL OR llm_provider = %(provider)s)
  AND (%(tag)s::text IS NULL OR query_id IN (SELECT t.query_id FROM llm_prompt_tags t WHERE t.tag = %(tag)s));

-- name: latest_day
-- The last day on which a project has answers.
SELECT max(analysis_date) AS day FROM llm_monitoring_results WHERE project_id = %(project_id)s;

-- name: measured_days
-- The first and the last day on which a project has answers.
SELECT min(analysis_date) AS first, max(analysis_date) AS last
FROM llm_monitoring_results WHERE project_id = %(project_id)s;

-- name: prompts
-- The prompts of a project.
SELECT id, query_text FROM llm_monitoring_queries WHERE project_id = %(project_id)s;
