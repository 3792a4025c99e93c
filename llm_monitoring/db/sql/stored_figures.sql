-- name: find
-- The version of a period's figures now, and the stored ones if they have it or were measured after `asked_at`.
WITH answers AS MATERIALIZED (
    -- the xmin of a row changes with every write of it, whoever writes: an analysis that is done again, a text that is
    -- deleted, a prompt, name or language that is edited, a late answer
    SELECT id, analysis_date, xmin::text AS written, rules_fingerprint
    FROM llm_monitoring_results
    WHERE project_id = %(project_id)s
      AND (analysis_date BETWEEN %(first)s AND %(last)s
           OR analysis_date BETWEEN %(compared_first)s::date AND %(compared_last)s::date)
), present AS (
    SELECT md5(concat_ws('/', %(code)s::text,
        (SELECT coalesce(string_agg(id || ':' || written, ',' ORDER BY analysis_date, id), '-') FROM answers),
        (SELECT coalesce(string_agg(fingerprint || ':' || xmin::text, ',' ORDER BY fingerprint), '-')
         FROM llm_monitoring_rules WHERE fingerprint IN (SELECT rules_fingerprint FROM answers)),
        (SELECT coalesce(string_agg(id || ':' || xmin::text, ',' ORDER BY id), '-')
         FROM llm_monitoring_snapshots
         WHERE project_id = %(project_id)s AND snapshot_date BETWEEN %(first)s AND %(last)s),
        (SELECT coalesce(string_agg(concat_ws(':', query_id, llm_provider, analysis_date, sample, xmin::text), ','
                                    ORDER BY analysis_date, query_id, llm_provider, sample), '-')
         FROM llm_monitoring_failed_tasks
         WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s),
        (SELECT coalesce(string_agg(id || ':' || xmin::text, ',' ORDER BY id), '-')
         FROM llm_monitoring_queries WHERE project_id = %(project_id)s),
        (SELECT coalesce(string_agg(t.query_id || ':' || t.xmin::text, ',' ORDER BY t.query_id, t.tag), '-')
         FROM llm_prompt_tags t JOIN llm_monitoring_queries q ON q.id = t.query_id
         WHERE q.project_id = %(project_id)s),
        (SELECT coalesce(max(xmin::text), '-') FROM llm_monitoring_projects WHERE id = %(project_id)s),
        (SELECT coalesce(max(analysis_date)::text, '-') FROM llm_monitoring_results
         WHERE project_id = %(project_id)s))) AS version
)
SELECT present.version, stored.body, asked.at AS asked_at, asked.now
FROM present
         CROSS JOIN (SELECT coalesce(%(asked_at)s::timestamptz, clock_timestamp() - %(waited)s * INTERVAL '1 second') AS at,
                            clock_timestamp() AS now) asked
         LEFT JOIN llm_stored_figures stored
                   ON stored.project_id = %(project_id)s AND stored.first_day = %(first)s
                       AND stored.last_day = %(last)s AND stored.filters = %(filters)s
                       AND (stored.version = present.version OR stored.measured_at >= asked.at);

-- name: keep
-- Store the figures of a period in place of those that were measured earlier.
INSERT INTO llm_stored_figures (project_id, first_day, last_day, filters, version, body, measured_at)
SELECT id, %(first)s, %(last)s, %(filters)s, %(version)s, %(body)s, %(measured_at)s
FROM llm_monitoring_projects
WHERE id = %(project_id)s
ON CONFLICT (project_id, first_day, last_day, filters) DO UPDATE
    SET version = EXCLUDED.version, body = EXCLUDED.body, measured_at = EXCLUDED.measured_at
    WHERE llm_stored_figures.measured_at < EXCLUDED.measured_at;

-- name: trim
-- Delete all but the latest of a project.
DELETE FROM llm_stored_figures
WHERE project_id = %(project_id)s
  AND (first_day, last_day, filters) IN (SELECT first_day, last_day, filters
                                         FROM llm_stored_figures
                                         WHERE project_id = %(project_id)s
                                         ORDER BY measured_at DESC
                                         OFFSET %(most)s
                                         FOR UPDATE SKIP LOCKED);

-- name: answers
-- The number of answers of a period.
SELECT count(*) AS answers
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s;
