-- name: projects
-- How many projects a user has, those that are archived included.
SELECT count(*) AS found FROM llm_monitoring_projects WHERE user_id = %(user_id)s;

-- name: sizes
-- How many prompts a project has, those that are paused included, with the characters and the different tags of all.
SELECT count(*) AS prompts, coalesce(sum(length(q.query_text)), 0) AS characters,
       (SELECT count(DISTINCT t.tag)
        FROM llm_prompt_tags t JOIN llm_monitoring_queries tagged ON tagged.id = t.query_id
        WHERE tagged.project_id = %(project_id)s) AS tags
FROM llm_monitoring_queries q
WHERE q.project_id = %(project_id)s;
