-- name: prompts
-- Prompts of a project, and whether each was asked: it has answers, calls or failures.
SELECT q.id, q.query_text, q.language, q.query_type,
       EXISTS (SELECT FROM llm_monitoring_results r WHERE r.query_id = q.id)
           OR EXISTS (SELECT FROM llm_call_attempts a WHERE a.query_id = q.id) AS asked
FROM llm_monitoring_queries q
WHERE q.project_id = %(project_id)s AND q.id = ANY (%(ids)s)
ORDER BY q.id;

-- name: remove_prompts
-- Delete prompts that were never asked, if all of them still are so.
WITH unasked AS (
    SELECT q.id
    FROM llm_monitoring_queries q
    WHERE q.project_id = %(project_id)s AND q.id = ANY (%(ids)s)
      AND NOT EXISTS (SELECT FROM llm_monitoring_results r WHERE r.query_id = q.id)
      AND NOT EXISTS (SELECT FROM llm_call_attempts a WHERE a.query_id = q.id)
)
DELETE FROM llm_monitoring_queries
WHERE id IN (SELECT id FROM unasked) AND (SELECT count(*) FROM unasked) = %(wanted)s;

-- name: edit_prompt
-- Store other words, language or type of a prompt.
UPDATE llm_monitoring_queries
SET query_text = %(text)s, language = %(language)s, query_type = %(query_type)s
WHERE project_id = %(project_id)s AND id = %(id)s;
