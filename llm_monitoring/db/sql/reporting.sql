-- name: last_day
-- The latest day on which a project was measured, or on which that was tried.
SELECT greatest((SELECT max(analysis_date) FROM llm_monitoring_results WHERE project_id = %(project_id)s),
                (SELECT max(analysis_date) FROM llm_monitoring_failed_tasks WHERE project_id = %(project_id)s)) AS day;

-- name: answers
-- The next page of a period's answers without their text, as figures and citations read them.
SELECT id, query_id, llm_provider, coalesce(model_id, model_used, '') AS model_id, analysis_date, sample, branded,
       brand_mentioned, competitors_mentioned, position_in_list, competitor_positions, brand_cited, competitors_cited,
       sentiment, sentiment_score, sources, rules_fingerprint
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s AND id > %(after)s
ORDER BY id
LIMIT %(page)s;

-- name: texts
-- A day's answers as they are shown, first samples first; of a very long one its beginning.
SELECT query_id, llm_provider, sample, coalesce(model_used, model_id, '') AS model, left(full_response, %(longest)s) AS text,
       char_length(full_response) AS length, brand_mentioned, position_in_list, total_items_in_list, sentiment, sources
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date = %(day)s
ORDER BY sample, query_id, llm_provider
LIMIT %(most)s;

-- name: answer_count
-- How many answers a day has.
SELECT count(*) AS answers
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date = %(day)s;

-- name: prompts
-- The prompts that are asked now, or that were answered on the day.
SELECT q.id, q.query_text, q.is_active
FROM llm_monitoring_queries q
WHERE q.project_id = %(project_id)s
  AND (q.is_active OR EXISTS (SELECT FROM llm_monitoring_results r
                              WHERE r.project_id = q.project_id AND r.query_id = q.id AND r.analysis_date = %(day)s))
ORDER BY q.id;

-- name: failures
-- Why tasks of a period have no answer, by provider, reason and day.
SELECT llm_provider, reason, analysis_date, count(*) AS tasks
FROM llm_monitoring_failed_tasks
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s
GROUP BY llm_provider, reason, analysis_date
ORDER BY llm_provider, reason, analysis_date;

-- name: failed_prompts
-- Why prompts have no answer on a day.
SELECT query_id, llm_provider, min(reason) AS reason
FROM llm_monitoring_failed_tasks
WHERE project_id = %(project_id)s AND analysis_date = %(day)s
GROUP BY query_id, llm_provider;
