-- name: history
-- What the calls of active projects cost and used in the days before today and when they began, by provider, day, kind, model, mode and rates, and how many tasks were answered at the provider on the day.
WITH calls AS (
    SELECT a.project_id, a.task_provider, a.analysis_date, a.query_id, a.sample, a.kind, a.llm_provider, a.model_id, a.mode,
           a.rates, a.reserved_at, a.charged_usd, a.input_tokens, a.output_tokens, a.cached_tokens, a.cache_write_tokens, a.searches
    FROM llm_monitoring_projects p
             JOIN llm_call_attempts a ON a.project_id = p.id AND a.kind IN ('answer', 'sentiment')
    WHERE p.is_active AND p.user_id IS NOT NULL AND (%(user_id)s::int IS NULL OR p.user_id = %(user_id)s)
      AND a.analysis_date >= %(first)s AND a.analysis_date < %(today)s AND a.state IN ('settled', 'unknown')
), answered AS (
    SELECT project_id, task_provider, analysis_date, count(DISTINCT (query_id, sample)) AS answers
    FROM calls WHERE kind = 'answer'
    GROUP BY project_id, task_provider, analysis_date
)
SELECT c.project_id, c.task_provider AS provider, c.analysis_date AS day, d.answers, c.kind, c.llm_provider, c.model_id, c.mode,
       c.rates, min(c.reserved_at) AS began_at, count(*) AS calls, sum(c.charged_usd) AS usd,
       coalesce(sum(c.input_tokens), 0) AS input_tokens, coalesce(sum(c.output_tokens), 0) AS output_tokens,
       coalesce(sum(c.cached_tokens), 0) AS cached_tokens, coalesce(sum(c.cache_write_tokens), 0) AS cache_write_tokens,
       coalesce(sum(c.searches), 0) AS searches
FROM calls c JOIN answered d USING (project_id, task_provider, analysis_date)
GROUP BY c.project_id, c.task_provider, c.analysis_date, d.answers, c.kind, c.llm_provider, c.model_id, c.mode, c.rates
ORDER BY c.project_id, c.task_provider, c.analysis_date;

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
