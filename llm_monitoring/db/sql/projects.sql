-- name: active_projects
-- The projects that a run asks, only some of them if `projects` is given.
SELECT id, user_id, name, brand_name, brand_aliases, brand_domains, brand_exclude, brand_case_sensitive, competitors,
       industry, language, country, enabled_llms, web_search, samples_per_query, is_active, pace
FROM llm_monitoring_projects
WHERE is_active AND (%(projects)s::int[] IS NULL OR id = ANY (%(projects)s))
ORDER BY id;

-- name: existing
-- Those of these projects that exist.
SELECT id FROM llm_monitoring_projects WHERE id = ANY (%(project_ids)s::int[]);

-- name: project
-- One project by its id.
SELECT id, user_id, name, brand_name, brand_aliases, brand_domains, brand_exclude, brand_case_sensitive, competitors,
       industry, language, country, enabled_llms, web_search, samples_per_query, is_active, pace
FROM llm_monitoring_projects WHERE id = %(project_id)s;

-- name: projects_overview
-- Every project with its owner and number of active prompts.
SELECT p.id, p.user_id, u.email, p.name, p.brand_name, p.language, p.country, p.enabled_llms, p.web_search, p.pace, p.is_active,
       p.last_analysis_date, count(q.id) FILTER (WHERE q.is_active) AS active_queries
FROM llm_monitoring_projects p
         LEFT JOIN users u ON u.id = p.user_id
         LEFT JOIN llm_monitoring_queries q ON q.project_id = p.id
GROUP BY p.id, u.email
ORDER BY p.id;

-- name: add_project
-- Create a project.
INSERT INTO llm_monitoring_projects (user_id, name, brand_name, brand_aliases, brand_domains, brand_exclude,
                                     brand_case_sensitive, industry, competitors, language, country, enabled_llms,
                                     web_search, samples_per_query, pace)
VALUES (%(user_id)s, %(name)s, %(brand_name)s, %(brand_aliases)s, %(brand_domains)s, %(brand_exclude)s,
        %(brand_case_sensitive)s, %(industry)s, %(competitors)s, %(language)s, %(country)s, %(enabled_llms)s,
        %(web_search)s, %(samples_per_query)s, %(pace)s)
RETURNING id;

-- name: set_active
-- Pause or resume a project; one that was archived is restored by resuming it.
UPDATE llm_monitoring_projects
SET is_active = %(is_active)s, archived_at = CASE WHEN NOT %(is_active)s THEN archived_at END, updated_at = now()
WHERE id = %(project_id)s;

-- name: mark_analysed
-- Record when a project was last analysed.
UPDATE llm_monitoring_projects SET last_analysis_date = now() WHERE id = %(project_id)s;

-- name: lock_definition
-- One project, locked until its changed definition is stored.
SELECT id, user_id, name, brand_name, brand_aliases, brand_domains, brand_exclude, brand_case_sensitive, competitors,
       industry, language, country, enabled_llms, web_search, samples_per_query, is_active, pace
FROM llm_monitoring_projects WHERE id = %(project_id)s FOR NO KEY UPDATE;

-- name: change_project
-- Store a project's definition; without `enabled_llms` its providers do not change.
UPDATE llm_monitoring_projects
SET user_id = %(user_id)s, name = %(name)s, brand_name = %(brand_name)s, brand_aliases = %(brand_aliases)s,
    brand_domains = %(brand_domains)s, brand_exclude = %(brand_exclude)s, brand_case_sensitive = %(brand_case_sensitive)s,
    industry = %(industry)s, competitors = %(competitors)s, language = %(language)s, country = %(country)s,
    enabled_llms = coalesce(%(enabled_llms)s, enabled_llms), web_search = %(web_search)s,
    samples_per_query = %(samples_per_query)s, pace = %(pace)s, updated_at = now()
WHERE id = %(project_id)s;

-- name: holdings
-- What is deleted with a project, and the cost of its calls, which stays in the ledger.
SELECT (SELECT count(*) FROM llm_monitoring_queries WHERE project_id = %(project_id)s)  AS prompts,
       (SELECT count(*) FROM llm_monitoring_results WHERE project_id = %(project_id)s)  AS answers,
       (SELECT count(DISTINCT snapshot_date) FROM llm_monitoring_snapshots WHERE project_id = %(project_id)s) AS days,
       (SELECT count(*) FROM llm_call_attempts WHERE project_id = %(project_id)s)       AS calls,
       (SELECT coalesce(sum(charged_usd), 0) FROM llm_call_attempts WHERE project_id = %(project_id)s) AS charged_usd;

-- name: remove_project
-- Delete a project with its prompts, answers and figures; the ledger has no foreign key to it.
DELETE FROM llm_monitoring_projects WHERE id = %(project_id)s;
