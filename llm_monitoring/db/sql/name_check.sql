-- name: latest_answers
-- The latest answers of a project that have a text.
SELECT r.id, r.llm_provider, r.analysis_date, r.full_response, coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         LEFT JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.project_id = %(project_id)s AND r.full_response <> ''
ORDER BY r.analysis_date DESC, r.id DESC
LIMIT %(limit)s;

-- name: languages
-- The languages of a project's active prompts.
SELECT DISTINCT language FROM llm_monitoring_queries
WHERE project_id = %(project_id)s AND is_active AND language IS NOT NULL
ORDER BY language;
