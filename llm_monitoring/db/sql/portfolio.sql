-- name: projects
-- The projects that a user may see and that are not archived: what is asked, the last day that was measured or tried, how far it came with what is asked now, the first and the last day with answers, and the cost since a day.
SELECT p.id, p.name, p.brand_name, p.is_active, p.enabled_llms, p.samples_per_query,
       CASE WHEN p.user_id = %(user_id)s THEN 'owner' ELSE 'viewer' END AS role,
       (SELECT count(*)::int FROM llm_monitoring_queries q WHERE q.project_id = p.id AND q.is_active) AS prompts,
       measured.first, measured.last, tried.day,
       (SELECT count(*)::int FROM llm_monitoring_results r JOIN llm_monitoring_queries q ON q.id = r.query_id AND q.is_active
        WHERE r.project_id = p.id AND r.analysis_date = tried.day AND r.sample <= p.samples_per_query
          AND r.llm_provider = ANY (coalesce(p.enabled_llms, %(providers)s::text[]))) AS answered,
       (SELECT count(*)::int FROM llm_monitoring_failed_tasks f JOIN llm_monitoring_queries q ON q.id = f.query_id AND q.is_active
        WHERE f.project_id = p.id AND f.analysis_date = tried.day AND f.sample <= p.samples_per_query
          AND f.llm_provider = ANY (coalesce(p.enabled_llms, %(providers)s::text[]))) AS failed,
       (SELECT coalesce(sum(s.total_cost_usd), 0) FROM llm_monitoring_snapshots s
        WHERE s.project_id = p.id AND s.snapshot_date >= %(since)s) AS spent_usd
FROM llm_monitoring_projects p
         CROSS JOIN LATERAL (SELECT (SELECT min(analysis_date) FROM llm_monitoring_results
                                     WHERE project_id = p.id AND analysis_date BETWEEN '0001-01-01' AND '9999-12-31') AS first,
                                    (SELECT max(analysis_date) FROM llm_monitoring_results
                                     WHERE project_id = p.id AND analysis_date BETWEEN '0001-01-01' AND '9999-12-31') AS last
                            ) measured
         CROSS JOIN LATERAL (SELECT greatest(measured.last, (SELECT max(analysis_date) FROM llm_monitoring_failed_tasks
                                                             WHERE project_id = p.id AND analysis_date BETWEEN '0001-01-01' AND '9999-12-31')
                                           ) AS day) tried
WHERE p.archived_at IS NULL AND (%(project_id)s::int IS NULL OR p.id = %(project_id)s)
  AND (p.user_id = %(user_id)s
       OR EXISTS (SELECT FROM llm_project_viewers v WHERE v.project_id = p.id AND v.user_id = %(user_id)s))
ORDER BY lower(p.brand_name), p.id;

-- name: last_verdicts
-- What the figures of these periods said of the mention rate when they were last measured.
SELECT project_id, verdict
FROM llm_stored_figures
         JOIN unnest(%(project_ids)s::int[], %(firsts)s::date[], %(lasts)s::date[], %(filters)s::text[])
             AS wanted (project_id, first_day, last_day, filters) USING (project_id, first_day, last_day, filters);
