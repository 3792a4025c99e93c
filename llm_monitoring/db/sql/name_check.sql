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

-- name: latest_of_period
-- The latest answers of a project in a period that have a text.
SELECT r.id, r.llm_provider, r.analysis_date, r.query_id, r.full_response, coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         LEFT JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.project_id = %(project_id)s AND r.full_response <> ''
  AND (%(first)s::date IS NULL OR r.analysis_date >= %(first)s) AND (%(last)s::date IS NULL OR r.analysis_date <= %(last)s)
ORDER BY r.analysis_date DESC, r.id DESC
LIMIT %(limit)s;

-- name: days_of_latest
-- The days of the latest answers of a project in a period that have a text.
SELECT min(analysis_date) AS first, max(analysis_date) AS last
FROM (SELECT analysis_date
      FROM llm_monitoring_results
      WHERE project_id = %(project_id)s AND full_response <> ''
        AND (%(first)s::date IS NULL OR analysis_date >= %(first)s) AND (%(last)s::date IS NULL OR analysis_date <= %(last)s)
      ORDER BY analysis_date DESC, id DESC
      LIMIT %(limit)s) latest;

-- name: dismissed_names
-- The names that the user of a project does not want to track.
SELECT name, name_key, dismissed_at FROM llm_dismissed_names WHERE project_id = %(project_id)s ORDER BY name_key;

-- name: dismiss_name
-- Note that the user of a project does not want to track a name.
INSERT INTO llm_dismissed_names (project_id, name_key, name)
VALUES (%(project_id)s, %(name_key)s, %(name)s)
ON CONFLICT (project_id, name_key) DO NOTHING;

-- name: restore_name
-- Offer a name again.
DELETE FROM llm_dismissed_names WHERE project_id = %(project_id)s AND name_key = %(name_key)s;
