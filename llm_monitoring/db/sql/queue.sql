-- name: lock
-- Keep other processes from making the queue's tables at the same time.
SELECT pg_advisory_xact_lock(%(key)s);

-- name: exists
-- Find out whether the queue's tables are there.
SELECT to_regclass('llm_queue.procrastinate_jobs') IS NOT NULL AS found;

-- name: create_schema
-- Make the place of the queue's tables, apart from any other use of its engine in the same database.
CREATE SCHEMA IF NOT EXISTS llm_queue;

-- name: enter_schema
-- Let the engine's own script work in it.
SELECT set_config('search_path', 'llm_queue', TRUE);
