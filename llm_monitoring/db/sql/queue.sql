-- name: lock
-- Keep other processes from creating the queue's tables at the same time.
SELECT pg_advisory_xact_lock(%(key)s);

-- name: exists
-- Whether the queue's tables exist.
SELECT to_regclass('llm_queue.procrastinate_jobs') IS NOT NULL AS exists;

-- name: create_schema
-- Create a schema for the queue's tables, separate from any other use of its engine in the same database.
CREATE SCHEMA IF NOT EXISTS llm_queue;

-- name: use_schema
-- Let a session of the engine find its tables.
SELECT set_config('search_path', 'llm_queue', FALSE);

-- name: enter_schema
-- Make the engine's own script create its tables there.
SELECT set_config('search_path', 'llm_queue', TRUE);
