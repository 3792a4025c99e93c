-- name: clock
-- What time it is in the database.
SELECT clock_timestamp() AS now, current_setting('server_version') AS version;

-- name: run_under_way
-- Find out whether a daily run holds its lock, without taking it.
SELECT EXISTS (SELECT FROM pg_locks
               WHERE locktype = 'advisory' AND granted AND objsubid = 1
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND (classid::bigint << 32) | objid::bigint = %(key)s) AS held;

-- name: asked_providers
-- Whom the active projects ask, with how many projects.
SELECT asked.name AS provider, count(*) AS projects
FROM llm_monitoring_projects p
         CROSS JOIN LATERAL unnest(coalesce(p.enabled_llms, %(providers)s::text[])) AS asked (name)
WHERE p.is_active
GROUP BY asked.name;

-- name: undelivered
-- How many lines of digests some target does not have, and since when.
SELECT count(*) AS lines, min(raised_at) AS since FROM llm_monitoring_news
WHERE delivered_at IS NULL AND raised_at > now() - INTERVAL '7 days';
