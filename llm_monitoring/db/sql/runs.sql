-- name: close_dead_runs
-- Close dead runs, or one of them.
UPDATE llm_monitoring_analysis_runs
SET status = 'dead', finished_at = now(), message = 'process_ended'
WHERE status = 'running' AND (%(run_id)s::bigint IS NULL OR id = %(run_id)s);

-- name: open_runs
-- The runs that are not closed.
SELECT id FROM llm_monitoring_analysis_runs WHERE status = 'running' ORDER BY id;

-- name: start
-- Open a run, unless this start has opened one after run `last`, because its commit was not acknowledged.
WITH mine AS (
    SELECT id FROM llm_monitoring_analysis_runs WHERE id > %(last)s AND owner = %(owner)s
),
opened AS (
    INSERT INTO llm_monitoring_analysis_runs (analysis_date, owner)
    SELECT %(day)s, %(owner)s WHERE NOT EXISTS (SELECT FROM mine) RETURNING id
)
SELECT id FROM mine UNION ALL SELECT id FROM opened;

-- name: last_run
-- The id of the run opened last, 0 if there is none.
SELECT coalesce(max(id), 0) AS id FROM llm_monitoring_analysis_runs;

-- name: is_open
-- Whether a run is still open; a later start closes it.
SELECT status = 'running' AS open FROM llm_monitoring_analysis_runs WHERE id = %(run_id)s;

-- name: finish
-- Close a run with its totals.
UPDATE llm_monitoring_analysis_runs
SET status = %(status)s, finished_at = now(), valid_results = %(valid)s, failed_tasks = %(failed)s,
    pending_tasks = %(pending)s, message = %(message)s, row_errors = %(row_errors)s,
    total_cost_usd = (SELECT coalesce(sum(charged_usd), 0) FROM llm_call_attempts WHERE run_id = %(run_id)s)
WHERE id = %(run_id)s;

-- name: open_tasks
-- A provider's tasks of the day without an answer that are not out in a batch, alternating between users: each row a page of prompts and samples.
WITH paced AS MATERIALIZED (
    -- what the plan of a paced day leaves out is not open, unless it failed before the day was planned, or all is wanted
    SELECT project_id, samples, left_out, resting FROM llm_paced_projects
    WHERE project_id = ANY (%(projects)s) AND analysis_date = %(day)s AND steps <> '{}' AND NOT %(in_full)s
), resting AS MATERIALIZED (
    SELECT query_id FROM paced CROSS JOIN LATERAL unnest(resting) AS r (query_id)
)
SELECT array_agg(query_id ORDER BY place) AS queries, array_agg(sample ORDER BY place) AS samples
FROM (SELECT query_id, sample, row_number() OVER (ORDER BY turn, user_id) - 1 AS place
      FROM (SELECT p.user_id, p.id AS project_id, q.id AS query_id, s.sample,
                   row_number() OVER (PARTITION BY p.user_id ORDER BY s.sample, q.id) AS turn
            FROM llm_monitoring_projects p
                     JOIN llm_monitoring_queries q ON q.project_id = p.id AND q.is_active
                     CROSS JOIN LATERAL generate_series(1, p.samples_per_query) AS s (sample)
                     LEFT JOIN paced ON paced.project_id = p.id
            WHERE p.id = ANY (%(projects)s)
              AND q.id <= 2147483647  -- a host with wider ids: the ledger cannot hold the call
              AND (coalesce(s.sample <= paced.samples AND %(provider)s <> ALL (paced.left_out), TRUE)
                       AND NOT EXISTS (SELECT FROM resting WHERE resting.query_id = q.id)
                   OR EXISTS (SELECT FROM llm_monitoring_failed_tasks f
                              WHERE f.project_id = p.id AND f.query_id = q.id AND f.llm_provider = %(provider)s
                                AND f.analysis_date = %(day)s AND f.sample = s.sample))) planned
      WHERE NOT EXISTS (SELECT FROM llm_monitoring_results r
                        WHERE r.project_id = planned.project_id AND r.query_id = planned.query_id
                          AND r.llm_provider = %(provider)s AND r.analysis_date = %(day)s AND r.sample = planned.sample)
        AND NOT EXISTS (SELECT FROM llm_monitoring_failed_tasks f
                        WHERE f.project_id = planned.project_id AND f.query_id = planned.query_id
                          AND f.llm_provider = %(provider)s AND f.analysis_date = %(day)s AND f.sample = planned.sample
                          AND f.final)
        AND NOT EXISTS (SELECT FROM llm_call_attempts a
                        WHERE a.project_id = planned.project_id AND a.query_id = planned.query_id
                          AND a.task_provider = %(provider)s AND a.analysis_date = %(day)s AND a.sample = planned.sample
                          AND a.kind = 'answer' AND a.state IN ('reserved', 'sent') AND a.batch_id IS NOT NULL)) open
GROUP BY place / %(page)s
ORDER BY place / %(page)s;

-- name: pending_tasks
-- A page of tasks in its order, without tasks of a prompt that was paused or deleted meanwhile.
SELECT p.user_id, p.id AS project_id, q.id AS query_id, %(provider)s::text AS task_provider, %(day)s::date AS analysis_date,
       t.sample, q.query_text, coalesce(q.language, p.language) AS language
FROM unnest(%(queries)s::int[], %(samples)s::int[]) WITH ORDINALITY AS t (query_id, sample, place)
         JOIN llm_monitoring_queries q ON q.id = t.query_id AND q.is_active
         JOIN llm_monitoring_projects p ON p.id = q.project_id
ORDER BY t.place;

-- name: record_failure
-- Store a task's failure, unless its prompt was deleted; the next start of the day asks it again unless it is final.
INSERT INTO llm_monitoring_failed_tasks (project_id, query_id, llm_provider, analysis_date, sample, model_id, reason, message,
                                         final, run_id)
SELECT %(project_id)s, %(query_id)s, %(provider)s, %(day)s, %(sample)s, %(model_id)s, %(reason)s, %(message)s, %(final)s,
       %(run_id)s
FROM llm_monitoring_queries
WHERE id = %(query_id)s AND llm_monitoring_queries.project_id = %(project_id)s
  AND NOT EXISTS (SELECT FROM llm_monitoring_results
                  WHERE project_id = %(project_id)s AND query_id = %(query_id)s AND llm_provider = %(provider)s
                    AND analysis_date = %(day)s AND sample = %(sample)s)
ON CONFLICT (project_id, query_id, llm_provider, analysis_date, sample) DO UPDATE
    SET model_id = excluded.model_id, reason = excluded.reason, message = excluded.message,
        final = llm_monitoring_failed_tasks.final OR excluded.final, run_id = excluded.run_id, failed_at = now();

-- name: completeness
-- The tasks of a day that are planned, answered, out in a batch and failed, by project and provider; `omitted`: what a paced day leaves out.
WITH paced AS MATERIALIZED (
    SELECT project_id, samples, left_out, resting FROM llm_paced_projects
    WHERE project_id = ANY (%(projects)s) AND analysis_date = %(day)s AND steps <> '{}' AND NOT %(in_full)s
), resting AS MATERIALIZED (
    SELECT query_id FROM paced CROSS JOIN LATERAL unnest(resting) AS r (query_id)
), omitted AS (
    SELECT p.id AS project_id, provider.name AS llm_provider, count(*) AS tasks
    FROM paced
             JOIN llm_monitoring_projects p ON p.id = paced.project_id
             JOIN llm_monitoring_queries q ON q.project_id = p.id AND q.is_active
             CROSS JOIN LATERAL generate_series(1, p.samples_per_query) AS s (sample)
             CROSS JOIN unnest(%(providers)s::text[]) AS provider (name)
    WHERE (s.sample > paced.samples OR provider.name = ANY (paced.left_out)
           OR EXISTS (SELECT FROM resting WHERE resting.query_id = q.id))
      AND NOT EXISTS (SELECT FROM llm_monitoring_results r
                      WHERE r.project_id = p.id AND r.query_id = q.id AND r.llm_provider = provider.name
                        AND r.analysis_date = %(day)s AND r.sample = s.sample)
      AND NOT EXISTS (SELECT FROM llm_monitoring_failed_tasks f
                      WHERE f.project_id = p.id AND f.query_id = q.id AND f.llm_provider = provider.name
                        AND f.analysis_date = %(day)s AND f.sample = s.sample)
    GROUP BY 1, 2
), planned AS (
    SELECT p.id AS project_id, count(*) AS tasks
    FROM llm_monitoring_projects p
             JOIN llm_monitoring_queries q ON q.project_id = p.id AND q.is_active
             CROSS JOIN LATERAL generate_series(1, p.samples_per_query)
    WHERE p.id = ANY (%(projects)s)
    GROUP BY p.id
), answered AS (
    SELECT r.project_id, r.llm_provider, count(*) AS results, count(r.unread_reason) AS unread
    FROM llm_monitoring_results r
             JOIN llm_monitoring_projects p ON p.id = r.project_id
             JOIN llm_monitoring_queries q ON q.id = r.query_id AND q.is_active
    WHERE r.project_id = ANY (%(projects)s) AND r.analysis_date = %(day)s AND r.sample <= p.samples_per_query
    GROUP BY 1, 2
), failed AS (
    SELECT f.project_id, f.llm_provider, count(*) AS failures, count(*) FILTER (WHERE f.final) AS final,
           (array_agg(f.reason ORDER BY f.failed_at DESC))[1]  AS reason,
           (array_agg(f.message ORDER BY f.failed_at DESC))[1] AS message
    FROM llm_monitoring_failed_tasks f
             JOIN llm_monitoring_projects p ON p.id = f.project_id
             JOIN llm_monitoring_queries q ON q.id = f.query_id AND q.is_active
    WHERE f.project_id = ANY (%(projects)s) AND f.analysis_date = %(day)s AND f.sample <= p.samples_per_query
    GROUP BY 1, 2
), out AS (
    SELECT a.project_id, a.task_provider, count(*) AS calls
    FROM llm_call_attempts a
    WHERE a.project_id = ANY (%(projects)s) AND a.analysis_date = %(day)s AND a.kind = 'answer'
      AND a.state IN ('reserved', 'sent') AND a.batch_id IS NOT NULL
    GROUP BY 1, 2
)
SELECT planned.project_id, provider.name AS provider, planned.tasks - coalesce(omitted.tasks, 0) AS tasks, coalesce(answered.results, 0) AS results,
       coalesce(out.calls, 0) AS out, coalesce(answered.unread, 0) AS unread, coalesce(failed.failures, 0) AS failures, coalesce(failed.final, 0) AS final, failed.reason, failed.message
FROM planned
         CROSS JOIN unnest(%(providers)s::text[]) AS provider (name)
         LEFT JOIN omitted ON omitted.project_id = planned.project_id AND omitted.llm_provider = provider.name
         LEFT JOIN answered ON answered.project_id = planned.project_id AND answered.llm_provider = provider.name
         LEFT JOIN failed ON failed.project_id = planned.project_id AND failed.llm_provider = provider.name
         LEFT JOIN out ON out.project_id = planned.project_id AND out.task_provider = provider.name
ORDER BY planned.project_id, provider.name;

-- name: project_spend
-- The cost of each project's calls in a run, and the time from its first call to its last.
SELECT project_id, sum(charged_usd) AS cost_usd,
       count(*) FILTER (WHERE kind = 'answer' AND state IN ('settled', 'unknown')) AS answers,
       extract(EPOCH FROM max(coalesce(closed_at, sent_at, reserved_at)) - min(reserved_at))::float8 AS seconds
FROM llm_call_attempts
WHERE run_id = %(run_id)s AND project_id IS NOT NULL
GROUP BY project_id
ORDER BY project_id;

-- name: cost
-- The charge of a run's calls.
SELECT coalesce(sum(charged_usd), 0) AS cost_usd FROM llm_call_attempts WHERE run_id = %(run_id)s;

-- name: economy
-- The calls of a run that were charged and asked in a cheaper mode, and what that saved.
SELECT count(*) AS calls, coalesce(sum(saved_usd), 0) AS saved_usd
FROM llm_call_attempts WHERE run_id = %(run_id)s AND mode <> 'standard' AND state IN ('settled', 'unknown');

-- name: failure_reasons
-- The reasons of a project's failures of the day, most frequent first.
SELECT llm_provider, reason, count(*) AS tasks, min(message) AS message
FROM llm_monitoring_failed_tasks
WHERE project_id = %(project_id)s AND analysis_date = %(day)s
GROUP BY llm_provider, reason
ORDER BY count(*) DESC, llm_provider, reason;

-- name: recent_runs
-- The latest runs, newest first.
SELECT id, analysis_date, status, started_at, finished_at, valid_results, failed_tasks, pending_tasks, total_cost_usd,
       owner, message
FROM llm_monitoring_analysis_runs
ORDER BY id DESC
LIMIT %(limit)s;

-- name: run
-- One run.
SELECT id, analysis_date, status, started_at, finished_at, valid_results, failed_tasks, pending_tasks, total_cost_usd,
       owner, message, row_errors
FROM llm_monitoring_analysis_runs WHERE id = %(run_id)s;

-- name: day_projects
-- The active projects, and those with answers or failures of the day.
SELECT id, name, user_id, enabled_llms FROM llm_monitoring_projects p
WHERE is_active
   OR EXISTS (SELECT FROM llm_monitoring_results r WHERE r.project_id = p.id AND r.analysis_date = %(day)s)
   OR EXISTS (SELECT FROM llm_monitoring_failed_tasks f WHERE f.project_id = p.id AND f.analysis_date = %(day)s)
ORDER BY id;

-- name: unknown_calls
-- The number and the charge of a day's unknown calls.
SELECT count(*) AS calls, coalesce(sum(charged_usd), 0) AS usd
FROM llm_call_attempts WHERE state = 'unknown' AND analysis_date = %(day)s;

-- name: completed_days
-- The days from one to another that a run has completed.
SELECT DISTINCT analysis_date AS day FROM llm_monitoring_analysis_runs
WHERE status = 'completed' AND analysis_date BETWEEN %(first)s AND %(last)s;

-- name: cell_spend
-- The cost and the answers of a run's calls, by project and billing provider.
SELECT a.project_id, a.llm_provider AS provider, sum(a.charged_usd) AS cost_usd, count(r.id) AS answers
FROM llm_call_attempts a
         LEFT JOIN llm_monitoring_results r ON r.attempt_id = a.id
WHERE a.run_id = %(run_id)s AND a.project_id IS NOT NULL
GROUP BY 1, 2;

-- name: cell_failures
-- The number of tasks that a run left without an answer, by project and provider.
SELECT project_id, llm_provider AS provider, count(*) AS failures
FROM llm_monitoring_failed_tasks
WHERE run_id = %(run_id)s
GROUP BY 1, 2;

-- name: unfinished_answers
-- The answers of a day that are not analysed yet, or have no readable sentiment, by project.
SELECT r.project_id, p.name, count(*) FILTER (WHERE r.unread_reason IS NOT NULL) AS unread,
       count(*) FILTER (WHERE r.sentiment_status = 'failed') AS without_sentiment
FROM llm_monitoring_results r JOIN llm_monitoring_projects p ON p.id = r.project_id
WHERE r.analysis_date = %(day)s AND (r.unread_reason IS NOT NULL OR r.sentiment_status = 'failed')
GROUP BY 1, 2
ORDER BY 1;
