-- name: place
-- Ask for a reanalysis of a project; while one is open there is no second, and no row comes back.
INSERT INTO llm_reanalysis_jobs (project_id, user_id, answers)
VALUES (%(project_id)s, %(user_id)s, %(answers)s)
ON CONFLICT (project_id) WHERE status IN ('waiting', 'running') DO NOTHING
RETURNING id, project_id, user_id, status, reason, answers, done, created_at, started_at, ended_at;

-- name: latest
-- The latest job of a project, or the one of a number.
SELECT id, project_id, user_id, status, reason, answers, done, created_at, started_at, ended_at
FROM llm_reanalysis_jobs
WHERE project_id = %(project_id)s AND (%(id)s::bigint IS NULL OR id = %(id)s)
ORDER BY id DESC LIMIT 1;

-- name: open_jobs
-- The jobs that are not over, of all projects, first come first.
SELECT id, project_id, user_id, status, reason, answers, done, created_at, started_at, ended_at
FROM llm_reanalysis_jobs WHERE status IN ('waiting', 'running') ORDER BY id LIMIT %(most)s;

-- name: begin
-- Begin a job, or go on with one that a process has left; no row if it is over. Needs the project's reanalysis lock.
UPDATE llm_reanalysis_jobs SET status = 'running', started_at = coalesce(started_at, now())
WHERE id = %(id)s AND status IN ('waiting', 'running')
RETURNING id;

-- name: set_left
-- Note how many answers are still to be read: more than before if names were changed meanwhile.
UPDATE llm_reanalysis_jobs
SET answers = greatest(answers, %(left)s), done = greatest(answers, %(left)s) - %(left)s
WHERE id = %(id)s AND status = 'running';

-- name: advance
-- Note that more answers are read; no row if the job was cancelled.
UPDATE llm_reanalysis_jobs SET done = least(answers, done + %(read)s)
WHERE id = %(id)s AND status = 'running'
RETURNING id;

-- name: finish
-- Close a job that is not over.
UPDATE llm_reanalysis_jobs SET status = %(status)s, reason = %(reason)s, ended_at = now()
WHERE id = %(id)s AND status IN ('waiting', 'running')
RETURNING id;
