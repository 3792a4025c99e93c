-- name: open_batch
-- Open a batch, before its first call is reserved.
INSERT INTO llm_batches (id, llm_provider, model_id, key_user_id, key_hash, web_search, pace, run_id)
VALUES (%(id)s, %(provider)s, %(model_id)s, %(key_user_id)s, %(key_hash)s, %(web_search)s, %(pace)s, %(run_id)s)
ON CONFLICT (id) DO NOTHING;

-- name: uncollected
-- The batches with calls that are still to be closed, oldest first.
SELECT id, llm_provider, model_id, key_user_id, key_hash, web_search, pace, run_id, requests, state, input_file, remote_id,
       posted_at, expires_at, absent_at, cancelled_at, ended_at
FROM llm_batches
WHERE state NOT IN ('collected', 'forgotten')
ORDER BY opened_at, id;

-- name: bring_back
-- Set back the time of a batch that was posted in the future, as by a clock that had jumped: it would be out for ever. Earlier than it was posted rather than later, or the search for it would not find it.
UPDATE llm_batches
SET posted_at = CASE WHEN opened_at <= now() THEN opened_at ELSE now() - INTERVAL '1 day' END
WHERE state NOT IN ('collected', 'forgotten') AND posted_at > now() + INTERVAL '1 hour'
RETURNING id, llm_provider AS provider, posted_at;

-- name: unforgotten
-- Collected batches of the last days that the provider still keeps, oldest first.
SELECT id, llm_provider, model_id, key_user_id, key_hash, web_search, pace, run_id, requests, state, input_file, remote_id,
       posted_at, expires_at, absent_at, cancelled_at, ended_at
FROM llm_batches
WHERE state = 'collected' AND (remote_id IS NOT NULL OR input_file IS NOT NULL) AND ended_at > now() - INTERVAL '7 days'
ORDER BY opened_at, id;

-- name: known_remotes
-- The provider's ids of its batches of the last days: none of them is a batch in doubt.
SELECT remote_id FROM llm_batches
WHERE llm_provider = %(provider)s AND remote_id IS NOT NULL AND opened_at > now() - INTERVAL '7 days';

-- name: open_calls
-- The open calls of a batch, with prompts and receipts.
SELECT a.id, a.state, a.kind, a.user_id, a.project_id, a.query_id, a.task_provider, a.analysis_date, a.sample,
       a.llm_provider, a.model_id, a.run_id, a.key_source, a.ceiling_usd, a.rates, a.mode, a.sent_at,
       q.query_text, coalesce(q.language, p.language) AS language, r.body
FROM llm_call_attempts a
         LEFT JOIN llm_call_receipts r ON r.attempt_id = a.id
         LEFT JOIN llm_monitoring_queries q ON q.id = a.query_id
         LEFT JOIN llm_monitoring_projects p ON p.id = q.project_id
WHERE a.batch_id = %(batch_id)s AND a.state IN ('reserved', 'sent')
ORDER BY a.reserved_at, a.id;

-- name: call_ids
-- The calls that a batch was posted with.
SELECT id FROM llm_call_attempts WHERE batch_id = %(batch_id)s AND sent_at IS NOT NULL;

-- name: keep_input_file
-- Store the id of the uploaded requests.
UPDATE llm_batches SET input_file = %(input_file)s
WHERE id = %(id)s AND state IN ('preparing', 'posting');

-- name: mark_calls_sent
-- Mark those calls of a batch as sent that are still wanted, each at the rates given. The token identifies a repeat by the same caller.
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::uuid[], %(rates)s::text[]) AS t (id, rates)
), doubtful AS MATERIALIZED (
    -- as in mark_sent of the budget: the lock waits for an owner that is just settling one of these
    SELECT o.id, o.closed_at
    FROM llm_call_attempts a
             JOIN llm_call_attempts o USING (project_id, query_id, task_provider, analysis_date, sample, kind)
    WHERE a.batch_id = %(batch_id)s AND o.state = 'unknown'
    FOR SHARE OF o
)
UPDATE llm_call_attempts a
SET state = 'sent', sent_token = %(token)s, sent_at = coalesce(sent_at, clock_timestamp()),
    rates = asked.rates::jsonb
FROM asked
WHERE a.id = asked.id AND a.batch_id = %(batch_id)s
  AND (a.state = 'reserved' OR (a.state = 'sent' AND a.sent_token = %(token)s))
  AND NOT EXISTS (SELECT FROM llm_call_attempts o
                  WHERE o.project_id = a.project_id AND o.query_id = a.query_id AND o.task_provider = a.task_provider
                    AND o.analysis_date = a.analysis_date AND o.sample = a.sample AND o.kind = a.kind
                    AND o.state = 'unknown'
                    AND NOT EXISTS (SELECT FROM doubtful d WHERE d.id = o.id AND d.closed_at = o.closed_at))
  AND NOT EXISTS (SELECT FROM llm_monitoring_results r
                  WHERE r.project_id = a.project_id AND r.query_id = a.query_id AND r.llm_provider = a.task_provider
                    AND r.analysis_date = a.analysis_date AND r.sample = a.sample)
  AND NOT EXISTS (SELECT FROM llm_monitoring_failed_tasks f
                  WHERE f.project_id = a.project_id AND f.query_id = a.query_id AND f.llm_provider = a.task_provider
                    AND f.analysis_date = a.analysis_date AND f.sample = a.sample AND f.final)
RETURNING a.id, a.state;

-- name: mark_posting
-- Commit that a batch of so many calls is posted now.
UPDATE llm_batches
SET state = 'posting', requests = %(requests)s, posted_at = coalesce(posted_at, clock_timestamp())
WHERE id = %(id)s AND state IN ('preparing', 'posting')
RETURNING posted_at;

-- name: mark_running
-- Store the provider's id of a batch that was posted.
UPDATE llm_batches
SET state = 'running', remote_id = %(remote_id)s, created_remote_at = %(created_at)s, expires_at = %(expires_at)s,
    input_file = coalesce(%(input_file)s, input_file)
WHERE id = %(id)s AND (state = 'posting' OR (state = 'running' AND remote_id = %(remote_id)s));

-- name: mark_looked
-- Store when the provider was last asked about a batch, and what was in the way.
UPDATE llm_batches SET looked_at = clock_timestamp(), trouble = %(trouble)s, error = %(error)s, other_key = %(other_key)s
WHERE id = %(id)s;

-- name: mark_absent
-- Store when the provider first did not know a batch that may have been made.
UPDATE llm_batches SET absent_at = coalesce(absent_at, clock_timestamp()) WHERE id = %(id)s AND state = 'posting';

-- name: mark_cancelled
-- Store that the provider was asked to end a batch.
UPDATE llm_batches SET cancelled_at = coalesce(cancelled_at, clock_timestamp()) WHERE id = %(id)s AND state = 'running';

-- name: mark_ended
-- Store that the provider works no more on a batch.
UPDATE llm_batches SET state = 'ended', ended_at = coalesce(ended_at, clock_timestamp())
WHERE id = %(id)s AND state IN ('running', 'ended');

-- name: mark_collected
-- Close a batch, unless one of its calls is still open.
UPDATE llm_batches
SET state = 'collected', outcome = %(outcome)s, error = coalesce(%(error)s, error),
    ended_at = coalesce(ended_at, clock_timestamp())
WHERE id = %(id)s AND state NOT IN ('collected', 'forgotten')
  AND NOT EXISTS (SELECT FROM llm_call_attempts a WHERE a.batch_id = %(id)s AND a.state IN ('reserved', 'sent'));

-- name: mark_forgotten
-- Store that the provider keeps nothing of a batch any more.
UPDATE llm_batches SET state = 'forgotten' WHERE id = %(id)s AND state = 'collected';

-- name: counts
-- How the calls of a batch ended.
SELECT count(*) FILTER (WHERE state IN ('settled', 'unknown'))::int AS charged, count(*) FILTER (WHERE state = 'void')::int AS void
FROM llm_call_attempts WHERE batch_id = %(id)s AND sent_at IS NOT NULL;

-- name: experience
-- What earlier batches came to: whether one of this key, model and kind brought an answer, whether a trial of one call failed today, and the failures of the key in a week.
SELECT coalesce(bool_or(a.state = 'settled' AND a.error_kind IS NULL AND (NOT b.web_search OR a.searches > 0))
                    FILTER (WHERE b.model_id = %(model_id)s AND b.web_search = %(web_search)s), FALSE)       AS proven,
       coalesce(bool_or(b.requests = 1 AND b.outcome <> 'withdrawn' AND b.opened_at > now() - INTERVAL '20 hours')
                    FILTER (WHERE b.model_id = %(model_id)s AND b.web_search = %(web_search)s), FALSE)       AS tried,
       count(DISTINCT b.id) FILTER (WHERE b.outcome IN ('expired', 'failed', 'lost')
                                      AND b.opened_at > now() - INTERVAL '7 days')::int                        AS failures
FROM llm_batches b LEFT JOIN llm_call_attempts a ON a.batch_id = b.id
WHERE b.llm_provider = %(provider)s AND b.key_user_id IS NOT DISTINCT FROM %(key_user_id)s::int;

-- name: held
-- The keys and kinds of calls of which a batch of a run is out: other calls of theirs wait for it.
SELECT DISTINCT llm_provider, model_id, key_user_id, web_search, pace FROM llm_batches
WHERE run_id = %(run_id)s AND state NOT IN ('collected', 'forgotten');

-- name: refused_for_budget
-- The projects and providers of which a run left tasks for want of budget.
SELECT DISTINCT project_id, llm_provider FROM llm_monitoring_failed_tasks
WHERE run_id = %(run_id)s AND reason IN ('budget', 'operator_budget', 'budget_reserved');

-- name: add_to_run
-- Bring the totals of closed runs up to date with answers that came after them.
UPDATE llm_monitoring_analysis_runs r
SET total_cost_usd = s.usd, valid_results = s.valid,
    pending_tasks = greatest(0, r.pending_tasks - greatest(0, s.valid - r.valid_results))
FROM (SELECT n.id, (SELECT coalesce(sum(a.charged_usd), 0) FROM llm_call_attempts a WHERE a.run_id = n.id) AS usd,
             (SELECT count(*) FROM llm_monitoring_results t WHERE t.run_id = n.id) AS valid
      FROM llm_monitoring_analysis_runs n WHERE n.id = ANY (%(run_ids)s::bigint[])) s
WHERE r.id = s.id AND r.status NOT IN ('running');

-- name: late_days
-- Projects and days before `day` with answers of a batch that came late and are not scored yet.
SELECT DISTINCT project_id, analysis_date AS day FROM llm_monitoring_results
WHERE sentiment_status = 'pending' AND mode = 'batch' AND analysis_date <> %(day)s
  AND analysis_date > %(day)s::date - 7;

-- name: still_out
-- The answers that are out in batches, of one user or of all, by user, project and provider, with the time until which the last is due.
SELECT a.user_id, a.project_id, a.llm_provider AS provider, count(*)::int AS answers,
       max(coalesce(b.expires_at, b.posted_at + INTERVAL '24 hours')) AS due_at
FROM llm_batches b JOIN llm_call_attempts a ON a.batch_id = b.id
WHERE b.state NOT IN ('preparing', 'collected', 'forgotten') AND a.state IN ('reserved', 'sent')
  AND (%(user_id)s::int IS NULL OR a.user_id = %(user_id)s)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;

-- name: overdue
-- The batches that should have come by now, with what keeps them from it.
SELECT id, llm_provider, posted_at, trouble, error, other_key FROM llm_batches
WHERE state NOT IN ('preparing', 'collected', 'forgotten')
  AND now() > coalesce(expires_at, posted_at + INTERVAL '24 hours') + INTERVAL '1 hour'
ORDER BY posted_at;

-- name: failed_trials
-- The models with a trial in batches today that brought no answer, and no answer from a batch before.
SELECT b.llm_provider, b.model_id, b.key_user_id, b.web_search
FROM llm_batches b LEFT JOIN llm_call_attempts a ON a.batch_id = b.id
GROUP BY 1, 2, 3, 4
HAVING NOT coalesce(bool_or(a.state = 'settled' AND a.error_kind IS NULL AND (NOT b.web_search OR a.searches > 0)), FALSE)
   AND bool_or(b.requests = 1 AND b.outcome <> 'withdrawn' AND b.opened_at > now() - INTERVAL '20 hours')
ORDER BY 1, 2, 3, 4;

-- name: failing_keys
-- The keys with batches of the last week that expired or failed so often that their calls are made at once.
SELECT llm_provider, key_user_id, count(*)::int AS failures FROM llm_batches
WHERE outcome IN ('expired', 'failed', 'lost') AND opened_at > now() - INTERVAL '7 days'
GROUP BY 1, 2
HAVING count(*) >= %(most)s
ORDER BY 1, 2;
