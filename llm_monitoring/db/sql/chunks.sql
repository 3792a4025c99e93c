-- name: add
-- Add a chunk of a run for a worker to take.
INSERT INTO llm_monitoring_chunks (run_id, project_ids, tasks, deadline)
VALUES (%(run_id)s, %(projects)s, %(tasks)s, now() + make_interval(secs => %(seconds)s))
RETURNING id;

-- name: store_shared_settings
-- Store the settings that every machine of a run must have in common.
UPDATE llm_monitoring_analysis_runs SET terms = %(terms)s WHERE id = %(run_id)s;

-- name: shared_settings
-- The settings that a machine must have to take a chunk; no row if it cannot be taken any more.
SELECT r.terms
FROM llm_monitoring_chunks c JOIN llm_monitoring_analysis_runs r ON r.id = c.run_id
WHERE c.id = %(chunk_id)s AND c.state = 'waiting' AND r.status = 'running';

-- name: take
-- Become the owner of a waiting chunk; only with its lock. The token identifies a repeat by the same caller.
UPDATE llm_monitoring_chunks c
SET state = 'running', lease = %(token)s, worker = %(worker)s, taken_at = now()
FROM llm_monitoring_analysis_runs r
WHERE c.id = %(chunk_id)s AND (c.state = 'waiting' OR c.lease = %(token)s) AND r.id = c.run_id AND r.status = 'running'
RETURNING c.id, c.run_id, c.project_ids, c.answered, c.failed, r.analysis_date AS day,
          extract(EPOCH FROM c.deadline - clock_timestamp())::float8 AS seconds_left;

-- name: reclaim
-- Become the owner of a chunk without a living owner; only with its lock. Waits for reservations in progress.
UPDATE llm_monitoring_chunks
SET losses = losses + CASE WHEN lease = %(token)s THEN 0 ELSE 1 END, lease = %(token)s
WHERE id = %(chunk_id)s AND state = 'running'
RETURNING losses, worker;

-- name: holds
-- Whether a lease is valid and its run goes on.
SELECT EXISTS (SELECT FROM llm_monitoring_chunks c JOIN llm_monitoring_analysis_runs r ON r.id = c.run_id
               WHERE c.lease = %(token)s AND c.stopped IS NULL AND r.status = 'running') AS holds;

-- name: record_progress
-- Store a chunk's progress.
UPDATE llm_monitoring_chunks SET answered = %(answered)s, failed = %(failed)s WHERE lease = %(token)s;

-- name: release
-- Release a chunk: done, or unfinished and free for the next owner unless its run has cancelled it.
UPDATE llm_monitoring_chunks
SET state = CASE WHEN %(unfinished)s AND stopped IS NULL THEN 'waiting' ELSE 'done' END,
    lease = NULL, stopped = CASE WHEN %(unfinished)s THEN stopped ELSE coalesce(stopped, %(stopped)s) END,
    answered = coalesce(%(answered)s, answered), failed = coalesce(%(failed)s, failed), ended_at = now(),
    blocked_users = ARRAY(SELECT DISTINCT unnest(blocked_users || %(blocked_users)s::int[])),
    locked_users = ARRAY(SELECT DISTINCT unnest(locked_users || %(locked_users)s::int[])),
    unsettled = unsettled + %(unsettled)s, figured = ARRAY(SELECT DISTINCT unnest(figured || %(snapshotted)s::int[])),
    row_errors = row_errors || %(row_errors)s::jsonb
WHERE lease = %(token)s
RETURNING state;

-- name: open_chunks
-- A run's chunks that are not done, and whether their lock is held.
SELECT c.id, c.state, EXISTS (SELECT FROM pg_locks l
                              WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                                AND l.classid = %(class)s::bigint::oid AND l.objid = c.id::bigint::oid
                                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS held
FROM llm_monitoring_chunks c
WHERE c.run_id = %(run_id)s AND c.state <> 'done'
ORDER BY c.id;

-- name: progress
-- The progress of a run's chunks.
SELECT coalesce(sum(answered), 0)::int AS answered, coalesce(sum(failed), 0)::int AS failed
FROM llm_monitoring_chunks WHERE run_id = %(run_id)s;

-- name: cancel
-- Close the waiting chunks and ask the owners of the others to stop; a row that another session holds is left to the next call.
UPDATE llm_monitoring_chunks c
SET state = CASE c.state WHEN 'waiting' THEN 'done' ELSE c.state END, stopped = %(reason)s, ended_at = now()
FROM (SELECT id FROM llm_monitoring_chunks
      WHERE run_id = %(run_id)s AND state <> 'done' AND stopped IS NULL FOR NO KEY UPDATE SKIP LOCKED) due
WHERE c.id = due.id;

-- name: totals
-- What a run's chunks reported: why they ended early, users without budget or with a held account, projects with snapshots.
SELECT min(stopped) AS stopped, coalesce(sum(unsettled), 0)::int AS unsettled,
       ARRAY(SELECT DISTINCT unnest(d.figured) FROM llm_monitoring_chunks d WHERE d.run_id = %(run_id)s) AS snapshotted,
       ARRAY(SELECT DISTINCT unnest(l.locked_users) FROM llm_monitoring_chunks l WHERE l.run_id = %(run_id)s) AS locked_users,
       ARRAY(SELECT DISTINCT unnest(u.blocked_users) FROM llm_monitoring_chunks u WHERE u.run_id = %(run_id)s) AS blocked_users
FROM llm_monitoring_chunks WHERE run_id = %(run_id)s;

-- name: row_errors
-- The row errors of a run's workers, chunk by chunk.
SELECT id, row_errors FROM llm_monitoring_chunks WHERE run_id = %(run_id)s AND row_errors <> '[]' ORDER BY id;

-- name: answers
-- How many tasks a run has answered.
SELECT count(*)::int AS answered FROM llm_monitoring_results WHERE run_id = %(run_id)s AND analysis_date = %(day)s;

-- name: failures
-- Why tasks of a run have no answer.
SELECT reason, count(*)::int AS tasks
FROM llm_monitoring_failed_tasks
WHERE run_id = %(run_id)s AND project_id = ANY (%(projects)s) AND analysis_date = %(day)s
GROUP BY reason;

-- name: owners_of_ended_runs
-- The workers that still hold a chunk of a run that is over.
SELECT c.id, c.worker
FROM llm_monitoring_chunks c
         JOIN llm_monitoring_analysis_runs r ON r.id = c.run_id AND r.status <> 'running'
         JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
             AND l.classid = %(class)s::bigint::oid AND l.objid = c.id::bigint::oid
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
WHERE c.state <> 'done'
ORDER BY c.id;

-- name: close_ended
-- Close the chunks that ended runs left open.
UPDATE llm_monitoring_chunks c
SET state = 'done', lease = NULL, stopped = coalesce(stopped, 'process_ended'), ended_at = now()
FROM llm_monitoring_analysis_runs r
WHERE c.state <> 'done' AND r.id = c.run_id AND r.status <> 'running';
