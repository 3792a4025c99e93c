-- name: clock
-- The database's time.
SELECT clock_timestamp() AS now, current_setting('server_version') AS version;

-- name: asked_providers
-- The providers that active projects ask, with the number of projects.
SELECT asked.name AS provider, count(*) AS projects
FROM llm_monitoring_projects p
         CROSS JOIN LATERAL unnest(coalesce(p.enabled_llms, %(providers)s::text[])) AS asked (name)
WHERE p.is_active
GROUP BY asked.name;

-- name: undelivered
-- The number of notices that some target does not have, and the time of the oldest.
SELECT count(*) AS lines, min(raised_at) AS since FROM llm_monitoring_news
WHERE delivered_at IS NULL AND raised_at > now() - INTERVAL '7 days';

-- name: access
-- Who else can use this database: the rights of every login, and the server's other databases, which share its roles.
SELECT has_schema_privilege('public', current_schema(), 'CREATE') AS anyone_creates,
       EXISTS (SELECT FROM pg_roles WHERE rolname = 'llm_monitoring_runner'
                                  AND has_table_privilege(oid, 'user_llm_api_keys', 'SELECT')) AS has_roles,
       has_database_privilege('public', current_database(), 'CONNECT') AS anyone_connects,
       ARRAY(SELECT datname::text FROM pg_database
             WHERE NOT datistemplate AND datallowconn AND datname NOT IN (current_database(), 'postgres')
             ORDER BY 1) AS other_databases,
       current_database()::text AS database, current_schema()::text AS schema;

-- name: without_site
-- The active projects with prompts and without a domain of their brand.
SELECT p.id, p.name
FROM llm_monitoring_projects p
WHERE p.is_active AND cardinality(p.brand_domains) = 0
  AND EXISTS (SELECT FROM llm_monitoring_queries q WHERE q.project_id = p.id AND q.is_active)
ORDER BY p.id;
