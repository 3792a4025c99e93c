-- name: copy_project
-- A copy of a project under another name.
INSERT INTO llm_monitoring_projects (user_id, name, brand_name, brand_domains, brand_aliases, brand_exclude, industry,
                                     competitors, enabled_llms, language, is_active)
SELECT user_id, %(name)s, brand_name, brand_domains, brand_aliases, brand_exclude, industry, competitors, enabled_llms,
       language, is_active
FROM llm_monitoring_projects WHERE id = %(project_id)s
RETURNING id;

-- name: copy_prompts
-- The prompts of a project, in another one.
INSERT INTO llm_monitoring_queries (project_id, query_text, language)
SELECT %(copy_id)s, query_text, language FROM llm_monitoring_queries WHERE project_id = %(project_id)s ORDER BY id;

-- name: copy_answers
-- The stored answers of a project, in another one.
INSERT INTO llm_monitoring_results (
    project_id, query_id, query_text, llm_provider, model_id, model_used, analysis_date, sample, full_response, citations,
    brand_name, branded, brand_mentioned, mention_count, mention_contexts, mention_order, position_in_list,
    total_items_in_list, ranking_kind, appears_in_numbered_list, competitors_mentioned, competitor_positions, sources,
    brand_cited, competitors_cited, analysis_version, rules_fingerprint, sentiment_status, cost_usd)
SELECT q.project_id, q.id, r.query_text, r.llm_provider, r.model_id, r.model_used, r.analysis_date, r.sample,
       r.full_response, r.citations, r.brand_name, r.branded, r.brand_mentioned, r.mention_count, r.mention_contexts,
       r.mention_order, r.position_in_list, r.total_items_in_list, r.ranking_kind, r.appears_in_numbered_list,
       r.competitors_mentioned, r.competitor_positions, r.sources, r.brand_cited, r.competitors_cited,
       r.analysis_version, r.rules_fingerprint, r.sentiment_status, r.cost_usd
FROM llm_monitoring_results r
         JOIN llm_monitoring_queries q ON q.project_id = %(copy_id)s AND q.query_text = r.query_text
WHERE r.project_id = %(project_id)s;

-- name: forget_figures
-- As if no period had been measured.
DELETE FROM llm_stored_figures;
