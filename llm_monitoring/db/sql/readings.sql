-- name: texts
-- The texts of answers and their analysis; an answer without text has only its analysis.
SELECT r.id, r.query_text, r.full_response, r.citations, r.rules_fingerprint, r.brand_name, r.competitors_mentioned,
       r.competitor_positions, r.competitors_cited, coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         LEFT JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.id = ANY (%(ids)s);

-- name: rules
-- The names and rules of a fingerprint.
SELECT rules FROM llm_monitoring_rules WHERE fingerprint = %(fingerprint)s;
