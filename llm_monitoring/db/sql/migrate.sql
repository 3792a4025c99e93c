-- name: try_lock
-- Take the right to migrate this database, unless another session has it; the lock ends with the session.
SELECT key, pg_try_advisory_lock(key) AS taken FROM (SELECT hashtextextended('llm_schema_migrations', 0) AS key) lock

-- name: has_record
-- Whether the record of applied migrations exists.
SELECT to_regclass('llm_schema_migrations') IS NOT NULL AS found

-- name: hidden_tables
-- The schema of an installation's tables if new ones would be created in another.
SELECT n.nspname AS found, current_schema() AS created
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'llm_monitoring_projects' AND c.relkind IN ('r', 'p') AND n.nspname <> current_schema()
  AND CASE
          WHEN to_regclass('llm_monitoring_projects') IS NOT NULL THEN c.oid = to_regclass('llm_monitoring_projects')
          ELSE EXISTS (SELECT FROM pg_settings WHERE name = 'search_path' AND source = 'default') END
LIMIT 1  -- a search path that was never set does not decide: a dump lacks the settings of its database

-- name: create_record
-- Create the record of applied migrations.
CREATE TABLE IF NOT EXISTS llm_schema_migrations
(
    version    INTEGER PRIMARY KEY,
    name       TEXT        NOT NULL,
    checksum   TEXT        NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)

-- name: applied
-- List the applied migrations, oldest first.
SELECT version, name, checksum
FROM llm_schema_migrations
ORDER BY version

-- name: record
-- Record one migration as applied.
INSERT INTO llm_schema_migrations (version, name, checksum)
VALUES (%(version)s, %(name)s, %(checksum)s)
