-- name: add_notice
-- Put a notice into the outbox, unless the same one was raised within its quiet days.
INSERT INTO llm_monitoring_news (kind, subject, day, line, severity)
SELECT %(kind)s, %(subject)s, %(day)s, %(line)s, %(severity)s
WHERE NOT EXISTS (SELECT FROM llm_monitoring_news n
                  WHERE n.kind = %(kind)s AND n.subject = %(subject)s
                    AND n.day > %(day)s::date - %(quiet_days)s::int AND n.day < %(day)s::date + %(quiet_days)s::int)
ON CONFLICT (kind, subject, day) DO NOTHING;

-- name: pending
-- Notices that some target does not have yet, oldest first; a notice is deleted after a week.
SELECT id, line, severity, delivered_to
FROM llm_monitoring_news
WHERE delivered_at IS NULL AND raised_at > now() - INTERVAL '7 days'
ORDER BY id
LIMIT 200;

-- name: mark_delivered
-- Record that a target has these notices; after the last target they leave the outbox.
UPDATE llm_monitoring_news
SET delivered_to = ARRAY (SELECT unnest(delivered_to)) || %(target)s::text,
    delivered_at = CASE WHEN ARRAY (SELECT unnest(delivered_to)) || %(target)s::text @> %(targets)s::text[] THEN now() END
WHERE id = ANY (%(ids)s) AND NOT delivered_to @> ARRAY [%(target)s::text];

-- name: user_names
-- The addresses of users.
SELECT id, email FROM users;

-- name: project_names
-- The names of projects.
SELECT id, name FROM llm_monitoring_projects;

-- name: budget_alerts
-- Budget alerts that are not in the outbox yet.
SELECT user_id, month::text AS month, threshold, spent_usd, budget_usd
FROM llm_budget_alerts
WHERE announced_at IS NULL AND raised_at > now() - INTERVAL '7 days'
ORDER BY user_id, llm_budget_alerts.month, threshold;

-- name: mark_announced
-- Record that an alert is in the outbox.
UPDATE llm_budget_alerts SET announced_at = now()
WHERE user_id = %(user_id)s AND month = %(month)s AND threshold = %(threshold)s;

-- name: outages
-- Providers and days on which most users had more failures than answers, for a reason that is neither theirs nor ours.
WITH tasks AS (
    SELECT project_id, llm_provider, analysis_date AS day, 1 AS answered, 0 AS failed, NULL AS reason, NULL AS message
    FROM llm_monitoring_results
    WHERE analysis_date BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT project_id, llm_provider, analysis_date, 0, 1, reason, message
    FROM llm_monitoring_failed_tasks
    WHERE analysis_date BETWEEN %(first)s AND %(last)s AND reason <> ALL (%(not_the_provider)s)
), cells AS (
    SELECT p.user_id, t.llm_provider, t.day, sum(t.answered) AS answered, sum(t.failed) AS failed,
           coalesce(bool_or(t.reason IN ('auth_failed', 'quota_exhausted', 'key_closed')), FALSE) AS refused,
           min(t.message) FILTER (WHERE t.reason <> 'provider_closed') AS message
    FROM tasks t JOIN llm_monitoring_projects p ON p.id = t.project_id
    GROUP BY 1, 2, 3
)
SELECT llm_provider AS provider, day, sum(answered)::int AS answered, sum(failed)::int AS failed, min(message) AS message
FROM cells
WHERE NOT refused
GROUP BY llm_provider, day
HAVING 2 * count(*) FILTER (WHERE failed > 0 AND failed >= answered) > count(*)
ORDER BY day, llm_provider;

-- name: refused_keys
-- Keys that a provider refused on a day, or that could not be read, with the number of prompts without an answer.
SELECT p.user_id, f.llm_provider AS provider, count(*) AS tasks,
       (array_agg(f.reason ORDER BY f.reason IN ('key_closed', 'provider_closed'), f.message))[1] AS reason,
       (array_agg(f.message ORDER BY f.reason IN ('key_closed', 'provider_closed'), f.message))[1] AS message
FROM llm_monitoring_failed_tasks f JOIN llm_monitoring_projects p ON p.id = f.project_id
WHERE f.analysis_date = %(day)s AND f.reason IN ('auth_failed', 'quota_exhausted', 'key_unreadable', 'key_closed', 'provider_closed')
GROUP BY p.user_id, f.llm_provider
HAVING bool_or(f.reason IN ('auth_failed', 'quota_exhausted', 'key_unreadable', 'key_closed'))
ORDER BY p.user_id, f.llm_provider;

-- name: broken_runs
-- Runs that ended with an error or with their process and could not report it themselves.
SELECT id, analysis_date AS day, status FROM llm_monitoring_analysis_runs
WHERE status IN ('dead', 'crashed') AND started_at > now() - INTERVAL '7 days'
ORDER BY id;

-- name: retiring_models
-- Current models that retire soon or are no longer listed.
SELECT llm_provider AS provider, model_id, retires_at, going_announced_at
FROM llm_model_registry
WHERE is_current AND retired_at IS NULL
  AND (going_announced_at IS NOT NULL OR retires_at <= now() + INTERVAL '30 days')
ORDER BY llm_provider, model_id;

-- name: daily_spend
-- The cost of each user's calls on a day and on the days before it.
SELECT user_id, analysis_date AS day, sum(charged_usd) AS usd
FROM llm_call_attempts
WHERE analysis_date BETWEEN %(first)s AND %(last)s AND kind IN ('answer', 'sentiment')
GROUP BY user_id, analysis_date
HAVING sum(charged_usd) > 0 AND sum(charged_usd) <> 'NaN'
ORDER BY user_id, analysis_date;

-- name: observations
-- The valid answers of a project in a period that are not stale, without outages.
SELECT query_id, llm_provider, coalesce(model_id, model_used, '') AS model_id, analysis_date, sample, branded,
       brand_mentioned, competitors_mentioned, position_in_list, competitor_positions, brand_cited, sentiment,
       sentiment_score, mode
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s AND rules_fingerprint = %(fingerprint)s
  AND (llm_provider, analysis_date) NOT IN (SELECT * FROM unnest(%(out_providers)s::text[], %(out_days)s::date[]))
ORDER BY analysis_date, llm_provider, query_id, sample;
