-- name: place
-- Order a project's analysis; while one is open there is no second, and no row comes back.
INSERT INTO llm_analysis_orders (project_id, user_id, day, open_calls, ceiling_usd)
VALUES (%(project_id)s, %(user_id)s, %(day)s, %(open_calls)s, %(ceiling_usd)s)
ON CONFLICT (project_id) WHERE status IN ('waiting', 'running') DO NOTHING
RETURNING id;

-- name: open_of_project
-- The order of a project that is not over.
SELECT id, project_id, user_id, day, status, reason, run_id, open_calls, ceiling_usd, created_at, started_at, ended_at
FROM llm_analysis_orders WHERE project_id = %(project_id)s AND status IN ('waiting', 'running');

-- name: of_project
-- A page of a project's orders, latest first, or the one of a number.
SELECT id, project_id, user_id, day, status, reason, run_id, open_calls, ceiling_usd, created_at, started_at, ended_at
FROM llm_analysis_orders
WHERE project_id = %(project_id)s AND (%(id)s::bigint IS NULL OR id = %(id)s)
  AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: requeue
-- What a process that died had begun waits again. Needs the run lock.
UPDATE llm_analysis_orders SET status = 'waiting', run_id = NULL, started_at = NULL WHERE status = 'running';

-- name: begin_next
-- Begin the order that waits longest. Needs the run lock.
UPDATE llm_analysis_orders SET status = 'running', started_at = now()
WHERE id = (SELECT min(id) FROM llm_analysis_orders WHERE status = 'waiting')
RETURNING id, project_id, user_id, day, status, reason, run_id, open_calls, ceiling_usd, created_at, started_at, ended_at;

-- name: finish
-- Close a project's open order of a day, which a run has served.
UPDATE llm_analysis_orders SET status = %(status)s, reason = %(reason)s, run_id = %(run_id)s, ended_at = now()
WHERE project_id = %(project_id)s AND day = %(day)s AND status IN ('waiting', 'running');

-- name: expire
-- Close orders of days that are over: an answer of today is none of theirs.
UPDATE llm_analysis_orders SET status = 'cancelled', reason = 'day_over', ended_at = now()
WHERE status IN ('waiting', 'running') AND day < %(day)s;

-- name: cancel_unaskable
-- Close orders of projects that no run asks: paused, archived, or of a user who was deleted.
UPDATE llm_analysis_orders o SET status = 'cancelled', reason = 'paused', ended_at = now()
WHERE o.status IN ('waiting', 'running')
  AND NOT EXISTS (SELECT FROM llm_monitoring_projects p JOIN users u ON u.id = p.user_id
                  WHERE p.id = o.project_id AND p.is_active AND p.archived_at IS NULL);

-- name: close_unserved
-- Close the order that a whole run has passed over, so that it is not begun again and again.
UPDATE llm_analysis_orders SET status = 'failed', reason = 'not_asked', ended_at = now()
WHERE id = %(id)s AND status = 'running';

-- name: spend
-- What the calls of an order's project were charged while the order was open, by whichever run.
SELECT coalesce(sum(a.charged_usd), 0) AS cost_usd
FROM llm_analysis_orders o JOIN llm_call_attempts a ON a.project_id = o.project_id
WHERE o.id = %(id)s AND a.reserved_at BETWEEN o.created_at AND coalesce(o.ended_at, 'infinity');

-- name: any_open
-- Whether an order is not over.
SELECT id FROM llm_analysis_orders WHERE status IN ('waiting', 'running') LIMIT 1;
