-- name: history
-- What the calls of active projects cost in the days before today, by provider and day, and how many tasks that answered.
SELECT p.user_id, p.id AS project_id, a.task_provider AS provider, a.analysis_date AS day, sum(a.charged_usd) AS cost_usd,
       count(DISTINCT (a.query_id, a.sample)) FILTER (WHERE a.kind = 'answer' AND a.state IN ('settled', 'unknown')) AS answers
FROM llm_monitoring_projects p
         JOIN llm_call_attempts a ON a.project_id = p.id AND a.kind IN ('answer', 'sentiment')
WHERE p.is_active AND p.user_id IS NOT NULL AND (%(user_id)s::int IS NULL OR p.user_id = %(user_id)s)
  AND a.analysis_date >= %(first)s AND a.analysis_date < %(today)s
GROUP BY p.user_id, p.id, a.task_provider, a.analysis_date
HAVING count(*) FILTER (WHERE a.kind = 'answer' AND a.state IN ('settled', 'unknown')) > 0
ORDER BY p.user_id, p.id, a.task_provider, a.analysis_date;

-- name: planned
-- How many tasks a day active projects have at each provider now, and how many of today's are open and not left out of a paced day.
WITH paced AS MATERIALIZED (
    SELECT project_id, samples, left_out, resting FROM llm_paced_projects WHERE analysis_date = %(today)s AND steps <> '{}'
), resting AS MATERIALIZED (
    SELECT query_id FROM paced CROSS JOIN LATERAL unnest(resting) AS r (query_id)
)
SELECT p.user_id, p.id AS project_id, asked.provider, count(*) AS tasks,
       count(*) FILTER (WHERE NOT EXISTS (SELECT FROM llm_monitoring_results r
                                          WHERE r.project_id = p.id AND r.query_id = q.id AND r.llm_provider = asked.provider
                                            AND r.analysis_date = %(today)s AND r.sample = s.sample)
                          AND NOT EXISTS (SELECT FROM llm_monitoring_failed_tasks f
                                          WHERE f.project_id = p.id AND f.query_id = q.id AND f.llm_provider = asked.provider
                                            AND f.analysis_date = %(today)s AND f.sample = s.sample AND f.final)
                          AND coalesce(s.sample <= paced.samples AND asked.provider <> ALL (paced.left_out), TRUE)
                          AND NOT EXISTS (SELECT FROM resting WHERE resting.query_id = q.id)) AS open
FROM llm_monitoring_projects p
         JOIN llm_monitoring_queries q ON q.project_id = p.id AND q.is_active
         CROSS JOIN LATERAL unnest(coalesce(p.enabled_llms, %(providers)s::text[])) AS asked (provider)
         CROSS JOIN LATERAL generate_series(1, p.samples_per_query) AS s (sample)
         LEFT JOIN paced ON paced.project_id = p.id
WHERE p.is_active AND p.user_id IS NOT NULL AND (%(user_id)s::int IS NULL OR p.user_id = %(user_id)s)
GROUP BY p.user_id, p.id, asked.provider;
