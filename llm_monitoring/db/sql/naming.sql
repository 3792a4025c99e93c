-- name: latest_answers
-- The latest answers of a project whose text was kept.
SELECT id, llm_provider, analysis_date, full_response
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND full_response <> ''
ORDER BY analysis_date DESC, id DESC
LIMIT %(limit)s;

-- name: languages
-- The languages of a project's active prompts.
SELECT DISTINCT language FROM llm_monitoring_queries
WHERE project_id = %(project_id)s AND is_active AND language IS NOT NULL
ORDER BY language;
