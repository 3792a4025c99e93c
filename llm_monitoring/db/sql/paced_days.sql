-- name: calls
-- What the calls of a user's active projects cost and used on the last days with answers of each provider, by kind, model, mode and rates.
WITH answered AS (
    SELECT a.project_id, a.task_provider, a.analysis_date,
           count(DISTINCT (a.query_id, a.sample)) FILTER (WHERE a.kind = 'answer') AS answers,
           rank() OVER (PARTITION BY a.project_id, a.task_provider ORDER BY a.analysis_date DESC) AS age
    FROM llm_call_attempts a JOIN llm_monitoring_projects p ON p.id = a.project_id AND p.is_active
    WHERE p.user_id = %(user_id)s AND a.kind IN ('answer', 'sentiment') AND a.state IN ('settled', 'unknown')
      AND a.analysis_date >= %(first)s AND a.analysis_date < %(day)s
    GROUP BY a.project_id, a.task_provider, a.analysis_date
    HAVING count(*) FILTER (WHERE a.kind = 'answer') > 0
)
SELECT d.project_id, d.task_provider, d.analysis_date AS day, d.answers, a.kind, a.llm_provider, a.model_id, a.mode, a.rates,
       coalesce('sentiment' = ANY (paced.steps), FALSE) AS unjudged, count(*) AS calls, sum(a.charged_usd) AS usd,
       coalesce(sum(a.input_tokens), 0) AS input_tokens, coalesce(sum(a.output_tokens), 0) AS output_tokens,
       coalesce(sum(a.cached_tokens), 0) AS cached_tokens, coalesce(sum(a.cache_write_tokens), 0) AS cache_write_tokens,
       coalesce(sum(a.searches), 0) AS searches
FROM answered d
         JOIN llm_call_attempts a ON a.project_id = d.project_id AND a.task_provider = d.task_provider
             AND a.analysis_date = d.analysis_date AND a.kind IN ('answer', 'sentiment') AND a.state IN ('settled', 'unknown')
         LEFT JOIN llm_paced_projects paced ON paced.project_id = d.project_id AND paced.analysis_date = d.analysis_date
WHERE d.age <= %(days)s
GROUP BY d.project_id, d.task_provider, d.analysis_date, d.answers, a.kind, a.llm_provider, a.model_id, a.mode, a.rates, paced.steps
ORDER BY d.project_id, d.task_provider, d.analysis_date;

-- name: turns
-- The active prompts of a user's active projects: their answers of the last weeks, the last day with one, and those of the day. One that is out in a batch counts as asked.
WITH out AS (
    SELECT query_id, max(analysis_date) FILTER (WHERE analysis_date < %(day)s) AS last_asked,
           count(*) FILTER (WHERE analysis_date = %(day)s) AS answers
    FROM llm_call_attempts
    WHERE user_id = %(user_id)s AND state = 'sent' AND batch_id IS NOT NULL AND kind = 'answer'
      AND analysis_date BETWEEN %(first)s AND %(day)s
    GROUP BY query_id
)
SELECT q.project_id, q.id AS query_id, q.query_text, coalesce(q.language, p.language) AS language,
       count(r.id) FILTER (WHERE r.analysis_date < %(day)s) AS answers,
       count(r.id) FILTER (WHERE r.analysis_date < %(day)s AND r.brand_mentioned) AS mentions,
       greatest(max(r.analysis_date) FILTER (WHERE r.analysis_date < %(day)s), out.last_asked) AS last_asked,
       count(r.id) FILTER (WHERE r.analysis_date = %(day)s) + coalesce(out.answers, 0) AS answered
FROM llm_monitoring_projects p
         JOIN llm_monitoring_queries q ON q.project_id = p.id AND q.is_active
         LEFT JOIN llm_monitoring_results r ON r.project_id = p.id AND r.query_id = q.id
             AND r.analysis_date BETWEEN %(first)s AND %(day)s
         LEFT JOIN out ON out.query_id = q.id
WHERE p.is_active AND p.user_id = %(user_id)s
GROUP BY q.id, p.id, out.last_asked, out.answers
ORDER BY q.project_id, q.id;

-- name: ordered
-- The projects of which an analysis of the day was ordered: they are asked in full.
SELECT project_id, user_id FROM llm_analysis_orders WHERE day = %(day)s AND status IN ('waiting', 'running');

-- name: planned_users
-- The users with a day that is planned already.
SELECT user_id FROM llm_paced_days WHERE analysis_date = %(day)s;

-- name: day_before
-- The last day of a month, before a day, that was planned for a user.
SELECT budget_usd, committed_usd, share_usd, day_usd FROM llm_paced_days
WHERE user_id = %(user_id)s AND month = %(month)s AND analysis_date < %(day)s
ORDER BY analysis_date DESC LIMIT 1;

-- name: store_day
-- Store what a user's day may cost. A day is planned once.
INSERT INTO llm_paced_days (user_id, analysis_date, month, budget_usd, committed_usd, share_usd, day_usd, full_usd, expected_usd)
VALUES (%(user_id)s, %(day)s, %(month)s, %(budget_usd)s, %(committed_usd)s, %(share_usd)s, %(day_usd)s, %(full_usd)s,
        %(expected_usd)s)
ON CONFLICT (user_id, analysis_date) DO NOTHING;

-- name: store_project
-- Store what is asked of a project's day. A day is planned once.
INSERT INTO llm_paced_projects (project_id, analysis_date, user_id, steps, samples, left_out, resting, prompts, expected_usd)
SELECT id, %(day)s, user_id, %(steps)s, %(samples)s, %(left_out)s, %(resting)s, %(prompts)s, %(expected_usd)s
FROM llm_monitoring_projects WHERE id = %(project_id)s AND user_id IS NOT NULL
ON CONFLICT (project_id, analysis_date) DO NOTHING;

-- name: ask_in_full
-- Leave nothing out of the planned day of projects that were ordered.
UPDATE llm_paced_projects p
SET steps = '{}', samples = greatest(p.samples, of.samples_per_query), left_out = '{}', resting = '{}'
FROM llm_monitoring_projects of
WHERE of.id = p.project_id AND p.analysis_date = %(day)s AND p.project_id = ANY (%(projects)s) AND p.steps <> '{}';

-- name: choices
-- What was chosen of a day for these projects.
SELECT project_id, samples, prompts, expected_usd, steps, left_out, resting
FROM llm_paced_projects WHERE analysis_date = %(day)s AND project_id = ANY (%(projects)s);

-- name: unjudged
-- The projects and days of the last week, and later ones, of which the sentiment is left out.
SELECT project_id, analysis_date AS day FROM llm_paced_projects
WHERE 'sentiment' = ANY (steps) AND analysis_date > %(day)s::date - 7;

-- name: held_steps
-- The steps that leave something out of projects' latest planned day, and the first of the days without a break on which each did.
WITH latest AS (
    SELECT DISTINCT ON (d.project_id) d.project_id, d.user_id, d.analysis_date, d.steps, d.samples, d.left_out, d.resting, d.prompts
    FROM llm_paced_projects d
    WHERE d.project_id = ANY (%(projects)s) AND d.analysis_date BETWEEN %(first)s AND %(last)s
    ORDER BY d.project_id, d.analysis_date DESC
)
SELECT l.project_id, l.user_id, l.analysis_date AS day, step, l.samples, l.left_out, cardinality(l.resting) AS resting, l.prompts,
       (SELECT min(e.analysis_date) FROM llm_paced_projects e
        WHERE e.project_id = l.project_id AND e.analysis_date <= l.analysis_date
          AND e.analysis_date >= coalesce((c.on_since AT TIME ZONE 'UTC')::date - 1, e.analysis_date)
          AND e.analysis_date > coalesce((SELECT max(o.analysis_date) FROM llm_paced_projects o
                                          WHERE o.project_id = l.project_id AND o.analysis_date < l.analysis_date
                                            AND NOT step = ANY (o.steps)), '-infinity')) AS since
FROM latest l
         CROSS JOIN LATERAL unnest(l.steps) WITH ORDINALITY AS held (step, place)
         LEFT JOIN llm_pacing c ON c.user_id = l.user_id
ORDER BY l.project_id, place;

-- name: left_out_days
-- On how many planned days between two days a project's pacing left each provider out, and the last of them.
SELECT provider, count(*) AS days, max(analysis_date) AS last
FROM llm_paced_projects, unnest(left_out) AS provider
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s
GROUP BY provider ORDER BY provider;

-- name: paced_projects
-- The projects of users that have a planned day between two days.
SELECT DISTINCT project_id FROM llm_paced_projects
WHERE user_id = ANY (%(users)s) AND analysis_date BETWEEN %(first)s AND %(last)s
ORDER BY project_id;

-- name: latest_days
-- The latest planned day between two days of users, of one or of all.
SELECT DISTINCT ON (user_id) user_id, analysis_date AS day, share_usd, day_usd, full_usd, expected_usd
FROM llm_paced_days
WHERE analysis_date BETWEEN %(first)s AND %(last)s AND (%(user_id)s::int IS NULL OR user_id = %(user_id)s)
ORDER BY user_id, analysis_date DESC;
