-- name: prompts
-- A project's prompts with their tags.
SELECT q.id, q.query_text, q.language, q.query_type, q.is_active,
       ARRAY(SELECT t.tag FROM llm_prompt_tags t WHERE t.query_id = q.id ORDER BY t.tag) AS tags
FROM llm_monitoring_queries q WHERE q.project_id = %(project_id)s ORDER BY q.id;

-- name: add_prompt
-- Add a prompt, unless the project already has it.
INSERT INTO llm_monitoring_queries (project_id, query_text, language, query_type, is_active)
VALUES (%(project_id)s, %(text)s, %(language)s, %(query_type)s, %(is_active)s)
ON CONFLICT (project_id, query_text) DO NOTHING
RETURNING id;

-- name: set_active
-- Pause or resume prompts of a project.
UPDATE llm_monitoring_queries SET is_active = %(is_active)s WHERE project_id = %(project_id)s AND id = ANY (%(ids)s);

-- name: asked_prompts
-- Prompts of a project, and whether each was asked: it has answers, calls or failures.
SELECT q.id, q.query_text, q.language, q.query_type,
       EXISTS (SELECT FROM llm_monitoring_results r WHERE r.query_id = q.id)
           OR EXISTS (SELECT FROM llm_call_attempts a WHERE a.query_id = q.id) AS asked
FROM llm_monitoring_queries q
WHERE q.project_id = %(project_id)s AND q.id = ANY (%(ids)s)
ORDER BY q.id;

-- name: edit_prompt
-- Store other words, language or type of a prompt.
UPDATE llm_monitoring_queries
SET query_text = %(text)s, language = %(language)s, query_type = %(query_type)s
WHERE project_id = %(project_id)s AND id = %(id)s;

-- name: remove_prompts
-- Delete prompts if none of them was ever asked.
WITH unasked AS (
    SELECT q.id
    FROM llm_monitoring_queries q
    WHERE q.project_id = %(project_id)s AND q.id = ANY (%(ids)s)
      AND NOT EXISTS (SELECT FROM llm_monitoring_results r WHERE r.query_id = q.id)
      AND NOT EXISTS (SELECT FROM llm_call_attempts a WHERE a.query_id = q.id)
)
DELETE FROM llm_monitoring_queries
WHERE id IN (SELECT id FROM unasked) AND (SELECT count(*) FROM unasked) = %(wanted)s;

-- name: tags
-- The tags of a project's prompts, and how many prompts have each.
SELECT t.tag, count(*)::int AS prompts
FROM llm_prompt_tags t JOIN llm_monitoring_queries q ON q.id = t.query_id
WHERE q.project_id = %(project_id)s
GROUP BY t.tag ORDER BY t.tag;

-- name: tags_of_prompts
-- The tags of prompts of a project, locked until the transaction ends.
SELECT q.id, ARRAY(SELECT t.tag FROM llm_prompt_tags t WHERE t.query_id = q.id) AS tags
FROM llm_monitoring_queries q
WHERE q.project_id = %(project_id)s AND q.id = ANY (%(ids)s)
ORDER BY q.id
FOR NO KEY UPDATE OF q;

-- name: remove_tags
-- Remove all tags of prompts.
DELETE FROM llm_prompt_tags WHERE query_id = ANY (%(ids)s);

-- name: add_tags
-- Give prompts tags.
INSERT INTO llm_prompt_tags (query_id, tag)
SELECT * FROM unnest(%(ids)s::int[], %(tags)s::text[]);
