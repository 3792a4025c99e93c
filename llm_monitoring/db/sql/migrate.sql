-- name: try_lock
-- Take the right to migrate this database, unless another session has it; the lock ends with the session.
SELECT key, pg_try_advisory_lock(key) AS taken FROM (SELECT hashtextextended('llm_schema_migrations', 0) AS key) lock

-- name: has_record
-- Whether the record of applied migrations exists.
SELECT to_regclass('llm_schema_migrations') IS NOT NULL AS found

-- name: hidden_tables
-- The schema of an installation's tables that the search path finds behind the schema in which new tables are created.
SELECT n.nspname AS found, current_schema() AS created
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass('llm_monitoring_projects') AND n.nspname <> current_schema()

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
