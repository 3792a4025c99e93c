-- name: projects
-- How many projects a user has, those that are archived included.
SELECT count(*) AS found FROM llm_monitoring_projects WHERE user_id = %(user_id)s;

-- name: prompts
-- How many prompts a project has, those that are paused included.
SELECT count(*) AS found FROM llm_monitoring_queries WHERE project_id = %(project_id)s;
