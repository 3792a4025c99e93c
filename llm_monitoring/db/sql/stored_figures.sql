-- name: find
-- The version of the figures of each wanted period now, and the stored ones if they have it or were measured after `asked_at`, in the order of `wanted`.
SELECT present.version, stored.body, asked.at AS asked_at, asked.now
FROM unnest(%(project_ids)s::int[], %(firsts)s::date[], %(lasts)s::date[], %(compared_firsts)s::date[],
            %(compared_lasts)s::date[], %(filters)s::text[]) WITH ORDINALITY
         AS wanted (project_id, first_day, last_day, compared_first, compared_last, filters, place)
         CROSS JOIN (SELECT coalesce(%(asked_at)s::timestamptz, clock_timestamp() - %(waited)s * INTERVAL '1 second') AS at,
                            clock_timestamp() AS now) asked
         CROSS JOIN LATERAL (
    WITH answers AS MATERIALIZED (
        -- the xmin of a row changes with every write of it, whoever writes: an analysis that is done again, a text that is
        -- deleted, a prompt, name or language that is edited, a late answer
        SELECT r.id, r.analysis_date, r.xmin::text AS written, r.rules_fingerprint
        FROM llm_monitoring_results r
        WHERE r.project_id = wanted.project_id
          AND (r.analysis_date BETWEEN wanted.first_day AND wanted.last_day
               OR r.analysis_date BETWEEN wanted.compared_first AND wanted.compared_last)
    )
    SELECT md5(concat_ws('/', %(code)s::text,
        (SELECT coalesce(string_agg(id || ':' || written, ',' ORDER BY analysis_date, id), '-') FROM answers),
        (SELECT coalesce(string_agg(fingerprint || ':' || xmin::text, ',' ORDER BY fingerprint), '-')
         FROM llm_monitoring_rules WHERE fingerprint IN (SELECT rules_fingerprint FROM answers)),
        (SELECT coalesce(string_agg(s.id || ':' || s.xmin::text, ',' ORDER BY s.id), '-')
         FROM llm_monitoring_snapshots s
         WHERE s.project_id = wanted.project_id AND s.snapshot_date BETWEEN wanted.first_day AND wanted.last_day),
        (SELECT coalesce(string_agg(concat_ws(':', f.query_id, f.llm_provider, f.analysis_date, f.sample, f.xmin::text), ','
                                    ORDER BY f.analysis_date, f.query_id, f.llm_provider, f.sample), '-')
         FROM llm_monitoring_failed_tasks f
         WHERE f.project_id = wanted.project_id AND f.analysis_date BETWEEN wanted.first_day AND wanted.last_day),
        (SELECT coalesce(string_agg(q.id || ':' || q.xmin::text, ',' ORDER BY q.id), '-')
         FROM llm_monitoring_queries q WHERE q.project_id = wanted.project_id),
        (SELECT coalesce(string_agg(t.query_id || ':' || t.xmin::text, ',' ORDER BY t.query_id, t.tag), '-')
         FROM llm_prompt_tags t JOIN llm_monitoring_queries q ON q.id = t.query_id
         WHERE q.project_id = wanted.project_id),
        (SELECT coalesce(string_agg(k.site || ':' || k.xmin::text, ',' ORDER BY k.site), '-')
         FROM llm_site_kinds k WHERE k.project_id = wanted.project_id),
        (SELECT coalesce(max(p.xmin::text), '-') FROM llm_monitoring_projects p WHERE p.id = wanted.project_id),
        (SELECT coalesce(max(r.analysis_date)::text, '-') FROM llm_monitoring_results r
         WHERE r.project_id = wanted.project_id))) AS version
) present
         LEFT JOIN llm_stored_figures stored
                   ON stored.project_id = wanted.project_id AND stored.first_day = wanted.first_day
                       AND stored.last_day = wanted.last_day AND stored.filters = wanted.filters
                       AND (stored.version = present.version OR stored.measured_at >= asked.at)
ORDER BY wanted.place;

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
