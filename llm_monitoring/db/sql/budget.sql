-- name: open_account
-- Create a user's account with the columns' defaults if there is none.
INSERT INTO user_llm_api_keys (user_id)
VALUES (%(user_id)s)
ON CONFLICT (user_id) DO NOTHING
RETURNING monthly_budget_usd;

-- name: set_default_budget
-- Make the monthly limit of new accounts the column's default; only the owner of the table can.
DO $$
BEGIN
    EXECUTE format('ALTER TABLE user_llm_api_keys ALTER COLUMN monthly_budget_usd SET DEFAULT %%s',
                   current_setting('llm_monitoring.default_budget')::numeric);
END $$;

-- name: choose_default_budget
-- Pass the default to the next statement: a definition takes no parameters.
SELECT set_config('llm_monitoring.default_budget', %(default_budget)s, TRUE);

-- name: reserve
-- Admit one call of a run that is not superseded, by a valid lease: start a new month, take the ceiling from what is left, write the attempt.
-- prepared: id uuid, kind text, user_id integer, month date, run_id bigint, chunk_id integer, lease uuid, provider text, model_id text, key_source text, ceiling numeric, operator_budget numeric, rates jsonb, mode text, batch_id uuid, project_id integer, query_id integer, task_provider text, analysis_date date, sample smallint
WITH unhurried AS MATERIALIZED (
    -- this commit need not wait for the disk, which frees the user's row sooner: that of mark_sent, after it, does
    SELECT set_config('synchronous_commit', 'off', TRUE)
), owner AS (
    -- the lock makes a later start, which closes this run, wait for the calls that are just being admitted
    SELECT id FROM llm_monitoring_analysis_runs WHERE id = %(run_id)s AND status = 'running' FOR SHARE
), chunk AS (
    -- the same for an owner that takes the chunk over; the chunk's other columns may be written at the same time
    SELECT id FROM llm_monitoring_chunks WHERE lease = %(lease)s FOR KEY SHARE
), account AS MATERIALIZED (
    -- every statement locks the user's row first and the operator's after it
    SELECT user_id FROM user_llm_api_keys WHERE user_id = %(user_id)s AND %(key_source)s = 'operator' FOR UPDATE
), operator AS MATERIALIZED (
    SELECT CASE WHEN o.month < %(month)s::date
                THEN (SELECT coalesce(sum(a.charged_usd), 0) FROM llm_call_attempts a WHERE a.operator_month = %(month)s::date)
                ELSE o.spent_usd END                                                      AS spent,
           CASE WHEN o.month < %(month)s::date THEN 0 ELSE o.reserved_usd END + %(ceiling)s AS reserved
    FROM llm_operator_account o JOIN account ON TRUE
    WHERE o.month < date_trunc('month', now() AT TIME ZONE 'UTC') + INTERVAL '2 months'
    FOR UPDATE OF o
), admitted AS (
    -- the spend is the larger of the host's counter and our own copy of it
    UPDATE user_llm_api_keys
    SET current_month_spend = CASE WHEN last_spend_reset < %(month)s::date THEN llm_ledger_spent(user_id, %(month)s::date)
                                   ELSE current_month_spend END,
        ledger_spend_usd    = CASE WHEN ledger_month = greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date)
                                   THEN ledger_spend_usd
                                   ELSE llm_ledger_spent(user_id, greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date)) END,
        ledger_month        = greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date),
        reserved_spend_usd  = CASE WHEN last_spend_reset < %(month)s::date THEN llm_ledger_reserved(user_id, %(month)s::date)
                                   ELSE reserved_spend_usd END + %(ceiling)s,
        last_spend_reset    = greatest(last_spend_reset, %(month)s::date),
        updated_at          = now()
    WHERE user_id = %(user_id)s
      AND (%(run_id)s::bigint IS NULL OR EXISTS (SELECT FROM owner))
      AND (%(lease)s::uuid IS NULL OR EXISTS (SELECT FROM chunk))
      AND monthly_budget_usd < 1e15
      -- a month that a slip put further ahead would be a budget of its own: the next start puts it back
      AND coalesce(last_spend_reset < date_trunc('month', now() AT TIME ZONE 'UTC') + INTERVAL '2 months', TRUE)
      AND (%(key_source)s <> 'operator'
           OR EXISTS (SELECT FROM operator WHERE coalesce(spent + reserved <= %(operator_budget)s::numeric, TRUE)))
      AND greatest(CASE WHEN last_spend_reset >= %(month)s::date THEN current_month_spend END,
                   CASE WHEN ledger_month = greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date)
                        THEN ledger_spend_usd
                        ELSE llm_ledger_spent(user_id, greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date)) END)
              + CASE WHEN last_spend_reset < %(month)s::date THEN llm_ledger_reserved(user_id, %(month)s::date)
                     ELSE reserved_spend_usd END
              + %(ceiling)s <= monthly_budget_usd
    RETURNING ledger_month                                                              AS month,
              greatest(current_month_spend, ledger_spend_usd) + reserved_spend_usd      AS committed_usd,
              monthly_budget_usd                                                        AS budget_usd
), counted AS (
    UPDATE llm_operator_account o
    SET spent_usd = operator.spent, reserved_usd = operator.reserved, month = greatest(o.month, %(month)s::date)
    FROM admitted, operator
    WHERE %(key_source)s = 'operator'
    RETURNING o.month, o.spent_usd + o.reserved_usd AS committed_usd
)
INSERT INTO llm_call_attempts (id, kind, state, user_id, month, run_id, chunk_id, project_id, query_id, task_provider,
                               analysis_date, sample, llm_provider, model_id, key_source, ceiling_usd, committed_usd,
                               budget_usd, operator_month, operator_committed_usd, operator_budget_usd, rates, mode, batch_id)
SELECT %(id)s, %(kind)s, 'reserved', %(user_id)s, admitted.month, %(run_id)s, %(chunk_id)s, %(project_id)s, %(query_id)s,
       %(task_provider)s, %(analysis_date)s, %(sample)s, %(provider)s, %(model_id)s, %(key_source)s, %(ceiling)s,
       admitted.committed_usd, admitted.budget_usd, counted.month, counted.committed_usd,
       CASE WHEN counted.month IS NOT NULL THEN %(operator_budget)s::numeric END, %(rates)s::jsonb, %(mode)s, %(batch_id)s
FROM admitted CROSS JOIN unhurried LEFT JOIN counted ON TRUE
RETURNING month;

-- name: refusal
-- Why nothing was reserved: it was done before (a lost acknowledgement), the run or lease has ended, or the rest is reserved.
WITH account AS (
    SELECT greatest(CASE WHEN last_spend_reset >= %(month)s::date THEN current_month_spend END,
                    CASE WHEN ledger_month = greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date)
                         THEN ledger_spend_usd
                         ELSE llm_ledger_spent(user_id, greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date)) END)
               + %(ceiling)s AS spent,
           CASE WHEN last_spend_reset < %(month)s::date THEN 0 ELSE reserved_spend_usd END AS reserved,
           monthly_budget_usd AS budget
    FROM user_llm_api_keys
    WHERE user_id = %(user_id)s AND monthly_budget_usd < 1e15
      AND coalesce(last_spend_reset < date_trunc('month', now() AT TIME ZONE 'UTC') + INTERVAL '2 months', TRUE)
)
SELECT EXISTS (SELECT FROM llm_call_attempts WHERE id = %(id)s) AS admitted_before,
       (%(run_id)s::bigint IS NOT NULL
            AND NOT EXISTS (SELECT FROM llm_monitoring_analysis_runs WHERE id = %(run_id)s AND status = 'running'))
           OR (%(lease)s::uuid IS NOT NULL
               AND NOT EXISTS (SELECT FROM llm_monitoring_chunks WHERE lease = %(lease)s)) AS superseded,
       EXISTS (SELECT FROM account WHERE spent + reserved <= budget) AS fits,
       EXISTS (SELECT FROM account WHERE spent <= budget) AS fits_unreserved,
       EXISTS (SELECT FROM llm_operator_account o
               WHERE o.month < date_trunc('month', now() AT TIME ZONE 'UTC') + INTERVAL '2 months'
                 AND coalesce(CASE WHEN o.month < %(month)s::date
                                   THEN (SELECT coalesce(sum(a.charged_usd), 0) FROM llm_call_attempts a
                                         WHERE a.operator_month = %(month)s::date)
                                   ELSE o.spent_usd END + %(ceiling)s <= %(operator_budget)s::numeric, TRUE)) AS operator_fits_unreserved;

-- name: mark_sent
-- Mark an attempt as sent, unless its task was answered meanwhile. The token identifies a repeat by the same caller.
-- prepared: id uuid, token uuid, rates jsonb
WITH doubtful AS MATERIALIZED (
    -- an owner that was considered dead may be settling one of these at this moment: the lock waits for its commit
    SELECT o.id, o.closed_at
    FROM llm_call_attempts a
             JOIN llm_call_attempts o USING (project_id, query_id, task_provider, analysis_date, sample, kind)
    WHERE a.id = %(id)s AND o.state = 'unknown'
    FOR SHARE OF o
)
UPDATE llm_call_attempts a
SET state = 'sent', sent_token = %(token)s, sent_at = coalesce(sent_at, clock_timestamp()),
    rates = coalesce(%(rates)s::jsonb, rates)
WHERE id = %(id)s AND (state = 'reserved' OR (state = 'sent' AND sent_token = %(token)s))
  AND NOT EXISTS (SELECT FROM llm_call_attempts o  -- as this statement began, and now settled or closed again
                  WHERE o.project_id = a.project_id AND o.query_id = a.query_id AND o.task_provider = a.task_provider
                    AND o.analysis_date = a.analysis_date AND o.sample = a.sample AND o.kind = a.kind
                    AND o.state = 'unknown'
                    AND NOT EXISTS (SELECT FROM doubtful d WHERE d.id = o.id AND d.closed_at = o.closed_at))
  AND NOT EXISTS (SELECT FROM llm_monitoring_results r
                  WHERE r.project_id = a.project_id AND r.query_id = a.query_id AND r.llm_provider = a.task_provider
                    AND r.analysis_date = a.analysis_date AND r.sample = a.sample
                    AND (a.kind = 'answer' OR r.sentiment_status = 'scored'))
  AND NOT EXISTS (SELECT FROM llm_monitoring_failed_tasks f
                  WHERE f.project_id = a.project_id AND f.query_id = a.query_id AND f.llm_provider = a.task_provider
                    AND f.analysis_date = a.analysis_date AND f.sample = a.sample AND f.final AND a.kind = 'answer')
RETURNING a.state;

-- name: sending_time
-- When a call was sent.
SELECT sent_at FROM llm_call_attempts WHERE id = %(id)s;

-- name: keep_receipt
-- Store a reply as received, before anything reads it.
-- prepared: id uuid, status integer, latency_ms integer, request_id text, service_tier text, body bytea
INSERT INTO llm_call_receipts (attempt_id, http_status, latency_ms, request_id, service_tier, body)
VALUES (%(id)s, %(status)s, %(latency_ms)s, %(request_id)s, %(service_tier)s, %(body)s)
ON CONFLICT (attempt_id) DO NOTHING;

-- name: close
-- Close an attempt as settled, void or unknown, and change the counters of its month, and the operator's, by the difference.
-- prepared: id uuid, from_states text[], state text, cost numeric, model_served text, input_tokens bigint, output_tokens bigint, cached_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, searches bigint, error_kind text, error_message text, service_tier text, saved numeric
WITH unhurried AS MATERIALIZED (
    -- a commit need not wait for the disk if that of the receipt did, which frees the user's row sooner: after a crash of the
    -- database that loses it, the next start settles the same call from the same receipt
    SELECT set_config('synchronous_commit', 'off', TRUE) FROM llm_call_receipts WHERE attempt_id = %(id)s
), old AS (
    SELECT id, user_id, month, state, ceiling_usd, charged_usd, budget_usd
    FROM llm_call_attempts
    WHERE id = %(id)s AND state = ANY (%(from_states)s)
    FOR UPDATE
), closed AS (
    UPDATE llm_call_attempts a
    SET state              = %(state)s,
        charged_usd        = CASE %(state)s WHEN 'settled' THEN %(cost)s WHEN 'unknown' THEN a.ceiling_usd ELSE 0 END,
        model_served       = %(model_served)s,
        input_tokens       = %(input_tokens)s,
        output_tokens      = %(output_tokens)s,
        cached_tokens      = %(cached_tokens)s,
        cache_write_tokens = %(cache_write_tokens)s,
        reasoning_tokens   = %(reasoning_tokens)s,
        searches           = %(searches)s,
        error_kind         = %(error_kind)s,
        error_message      = %(error_message)s,
        service_tier       = %(service_tier)s,
        saved_usd          = CASE %(state)s WHEN 'settled' THEN %(saved)s ELSE 0 END,
        closed_at          = clock_timestamp()
    FROM old
    WHERE a.id = old.id
    RETURNING a.id, a.user_id, a.month, a.operator_month, a.ceiling_usd, a.charged_usd, a.budget_usd,
              a.charged_usd - old.charged_usd AS added,
              CASE WHEN old.state IN ('reserved', 'sent') THEN old.ceiling_usd ELSE 0 END AS released
), account AS MATERIALIZED (
    -- a host may have written NaN before the table refused it; no amount can be added to it
    SELECT u.user_id, coalesce(nullif(u.current_month_spend, 'NaN'), 0) + closed.added AS spend,
           CASE WHEN u.ledger_month = closed.month THEN u.ledger_spend_usd
                ELSE llm_ledger_spent(u.user_id, closed.month) END + closed.added      AS ledger,
           coalesce(nullif(u.reserved_spend_usd, 'NaN'), 0) - closed.released          AS reserved,
           closed.month = date_trunc('month', u.last_spend_reset)                      AS is_current,
           coalesce(u.ledger_month = closed.month, FALSE)                              AS is_counted,
           u.spending_alert_threshold                                                  AS threshold
    FROM user_llm_api_keys u JOIN closed ON closed.user_id = u.user_id
    FOR UPDATE OF u
), balanced AS (
    -- a correction may have undone the charge of an unknown call that is now lowered: no month's spend is below zero
    INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, closed_at, error_message)
    SELECT gen_random_uuid(), 'correction', 'settled', closed.user_id, closed.month, 0, -account.ledger, clock_timestamp(),
           'a correction had taken back more than call ' || closed.id || ' was charged'
    FROM closed, account
    WHERE account.ledger < 0
), counted AS (
    UPDATE user_llm_api_keys u
    SET current_month_spend = CASE WHEN account.is_current THEN greatest(0, account.spend) ELSE u.current_month_spend END,
        reserved_spend_usd  = CASE WHEN account.is_current THEN greatest(0, account.reserved) ELSE u.reserved_spend_usd END,
        ledger_spend_usd    = CASE WHEN account.is_counted THEN greatest(0, account.ledger) ELSE u.ledger_spend_usd END,
        updated_at          = now()
    FROM account
    WHERE u.user_id = account.user_id AND (account.is_current OR account.is_counted)
    RETURNING u.current_month_spend, u.monthly_budget_usd
), operator AS (
    -- the join reads the user's row, and so locks it first, as a reservation does
    UPDATE llm_operator_account o
    SET spent_usd = greatest(0, o.spent_usd + closed.added), reserved_usd = greatest(0, o.reserved_usd - closed.released)
    FROM closed LEFT JOIN account ON TRUE
    WHERE o.month = closed.operator_month AND coalesce(account.user_id, 0) >= 0
)
SELECT closed.user_id, closed.month, closed.ceiling_usd, closed.charged_usd, closed.added, NOT account.is_current AS moved,
       -- a month that is over has no counter any more: its spend is the ledger's, its limit that of the call
       CASE WHEN account.is_current THEN counted.current_month_spend WHEN closed.added > 0 THEN account.ledger END AS current_month_spend,
       CASE WHEN account.is_current THEN counted.monthly_budget_usd ELSE closed.budget_usd END AS monthly_budget_usd,
       account.threshold AS spending_alert_threshold
FROM closed LEFT JOIN account ON TRUE LEFT JOIN counted ON TRUE LEFT JOIN unhurried ON TRUE;

-- name: flush
-- Commit something that waits for the disk: all commits before it are then on the disk too.
SELECT set_config('synchronous_commit', 'on', TRUE), pg_logical_emit_message(TRUE, 'llm_monitoring', 'flush');

-- name: count_reserved
-- Sum the reservations of an account's month again after the host changed the month during a call; only after its row is locked.
UPDATE user_llm_api_keys
SET reserved_spend_usd = llm_ledger_reserved(user_id, date_trunc('month', last_spend_reset)::date)
WHERE user_id = %(user_id)s
  AND reserved_spend_usd <> llm_ledger_reserved(user_id, date_trunc('month', last_spend_reset)::date);

-- name: raise_alert
-- Record that a user crossed a threshold, once a month.
INSERT INTO llm_budget_alerts (user_id, month, threshold, spent_usd, budget_usd)
VALUES (%(user_id)s, %(month)s, %(threshold)s, %(spent)s, %(budget)s)
ON CONFLICT (user_id, month, threshold) DO NOTHING;

-- name: add_correction
-- Add a correction of a month's spend to the ledger.
WITH counted AS (
    UPDATE user_llm_api_keys
    SET current_month_spend = CASE WHEN last_spend_reset < %(month)s::date THEN llm_ledger_spent(user_id, %(month)s::date)
                                   ELSE current_month_spend END + %(amount)s,
        ledger_spend_usd    = CASE WHEN ledger_month = greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date)
                                   THEN ledger_spend_usd
                                   ELSE llm_ledger_spent(user_id, greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date)) END
                              + %(amount)s,
        ledger_month        = greatest(%(month)s::date, date_trunc('month', last_spend_reset)::date),
        reserved_spend_usd  = CASE WHEN last_spend_reset < %(month)s::date THEN llm_ledger_reserved(user_id, %(month)s::date)
                                   ELSE reserved_spend_usd END,
        last_spend_reset    = greatest(last_spend_reset, %(month)s::date),
        updated_at          = now()
    WHERE user_id = %(user_id)s
    RETURNING user_id, ledger_month AS month, current_month_spend, monthly_budget_usd, spending_alert_threshold
), entered AS (
    INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, closed_at, error_message)
    SELECT %(id)s, 'correction', 'settled', user_id, month, 0, %(amount)s, clock_timestamp(), %(reason)s
    FROM counted
)
SELECT * FROM counted;

-- name: add_late_correction
-- Add a correction to a month that is over, unless its spend would be negative; only after start_month and lock_account.
WITH entered AS (
    INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, closed_at, error_message)
    SELECT %(id)s, 'correction', 'settled', user_id, %(month)s::date, 0, %(amount)s, clock_timestamp(), %(reason)s
    FROM user_llm_api_keys
    WHERE user_id = %(user_id)s AND last_spend_reset >= %(month)s::date + INTERVAL '1 month'
      AND llm_ledger_spent(user_id, %(month)s::date) + %(amount)s >= 0
    RETURNING user_id
)
SELECT llm_ledger_spent(user_id, %(month)s::date) + %(amount)s AS spent_usd FROM entered;

-- name: month_spent
-- What the ledger has of a user's month.
SELECT llm_ledger_spent(%(user_id)s, %(month)s::date) AS spent_usd;

-- name: due_accounts
-- Users with an account in an earlier month.
SELECT user_id FROM user_llm_api_keys WHERE last_spend_reset < %(month)s::date AND user_id IS NOT NULL ORDER BY user_id;

-- name: start_month
-- Start the month of these accounts if they are in an earlier one; a row that another session holds is skipped.
WITH due AS (
    SELECT user_id FROM user_llm_api_keys
    WHERE last_spend_reset < %(month)s::date AND user_id = ANY (%(user_ids)s)
    FOR UPDATE SKIP LOCKED
)
UPDATE user_llm_api_keys k
SET current_month_spend = llm_ledger_spent(k.user_id, %(month)s::date), ledger_month = %(month)s::date,
    ledger_spend_usd = greatest(0, llm_ledger_spent(k.user_id, %(month)s::date)),
    reserved_spend_usd = llm_ledger_reserved(k.user_id, %(month)s::date),
    last_spend_reset = %(month)s::date, updated_at = now()
FROM due
WHERE k.user_id = due.user_id;

-- name: standings
-- The standing of each user this month: users with an account, and owners of active projects without one. A limit that is not an amount counts as 0.
SELECT u.id AS user_id,
       CASE WHEN k.last_spend_reset >= %(month)s::date
            THEN coalesce(greatest(nullif(k.current_month_spend, 'NaN'),
                                   CASE WHEN k.ledger_month = date_trunc('month', k.last_spend_reset) THEN k.ledger_spend_usd END), 0)
            ELSE 0 END                                                                    AS spent_usd,
       CASE WHEN k.last_spend_reset >= %(month)s::date
            THEN coalesce(nullif(k.reserved_spend_usd, 'NaN'), 0) ELSE 0 END              AS reserved_usd,
       CASE WHEN k.user_id IS NULL THEN %(default_budget)s
            WHEN k.monthly_budget_usd < 1e15 THEN k.monthly_budget_usd ELSE 0 END         AS budget_usd,
       coalesce(nullif(k.spending_alert_threshold, 'NaN'), 80.0)                          AS threshold,
       EXISTS (SELECT FROM llm_monitoring_projects p WHERE p.user_id = u.id AND p.is_active) AS has_active_projects
FROM users u LEFT JOIN user_llm_api_keys k ON k.user_id = u.id
WHERE k.user_id IS NOT NULL OR EXISTS (SELECT FROM llm_monitoring_projects p WHERE p.user_id = u.id AND p.is_active)
ORDER BY u.id;

-- name: saved
-- What cheaper modes have saved each user this month.
SELECT user_id, sum(saved_usd) AS saved_usd
FROM llm_call_attempts WHERE month = %(month)s AND saved_usd > 0 GROUP BY user_id;

-- name: saved_in
-- What cheaper modes have saved in a project this month.
SELECT coalesce(sum(saved_usd), 0) AS saved_usd
FROM llm_call_attempts WHERE month = %(month)s AND project_id = %(project_id)s AND saved_usd > 0;

-- name: operator_standing
-- The standing of the operator's account this month.
SELECT CASE WHEN month >= %(month)s::date THEN spent_usd ELSE 0 END    AS spent_usd,
       CASE WHEN month >= %(month)s::date THEN reserved_usd ELSE 0 END AS reserved_usd
FROM llm_operator_account;

-- name: operator_difference
-- The operator's account if its counters are not the sums of the calls of its month.
SELECT o.month, o.spent_usd AS counted_spent, s.spent AS ledger_spent, o.reserved_usd AS counted_reserved,
       s.reserved AS ledger_reserved
FROM llm_operator_account o
         CROSS JOIN LATERAL (SELECT coalesce(sum(a.charged_usd), 0) AS spent,
                                    coalesce(sum(a.ceiling_usd) FILTER (WHERE a.state IN ('reserved', 'sent')), 0) AS reserved
                             FROM llm_call_attempts a WHERE a.operator_month = o.month) s
WHERE (o.spent_usd, o.reserved_usd) <> (s.spent, s.reserved);

-- name: open_attempts
-- Attempts that a dead run, or with `chunk_id` a chunk's dead owner, left open or unknown before the receipt arrived, without those of batches that are still to be collected, `received`: only those with a receipt; oldest first, with prompt and receipt.
SELECT a.id, a.state, a.kind, a.user_id, a.project_id, a.query_id, a.task_provider, a.analysis_date, a.sample,
       a.llm_provider, a.model_id, a.run_id, a.key_source, a.ceiling_usd, a.rates, a.mode, a.sent_at,
       a.reserved_at::text AS reserved_at,
       q.query_text, coalesce(q.language, p.language) AS language, r.http_status, r.body, r.latency_ms, r.request_id,
       r.service_tier
FROM llm_call_attempts a
         LEFT JOIN llm_call_receipts r ON r.attempt_id = a.id
         LEFT JOIN llm_monitoring_queries q ON q.id = a.query_id
         LEFT JOIN llm_monitoring_projects p ON p.id = q.project_id
WHERE a.id IN (SELECT o.id FROM llm_call_attempts o LEFT JOIN llm_batches b ON b.id = o.batch_id
               WHERE o.state IN ('reserved', 'sent') AND coalesce(b.state IN ('collected', 'forgotten'), TRUE)
               UNION ALL
               SELECT u.id FROM llm_call_attempts u JOIN llm_call_receipts k ON k.attempt_id = u.id
               WHERE u.state = 'unknown' AND u.error_kind = 'owner_dead')
  AND (%(chunk_id)s::int IS NULL OR a.chunk_id = %(chunk_id)s)
  AND (r.attempt_id IS NOT NULL OR NOT %(received)s)
  AND (%(after_at)s::text IS NULL OR (a.reserved_at, a.id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY a.reserved_at, a.id
LIMIT 500;

-- name: set_budget
-- Set a user's monthly limit and alert threshold; NULL leaves a value as it is.
UPDATE user_llm_api_keys
SET monthly_budget_usd       = coalesce(%(budget)s, monthly_budget_usd),
    spending_alert_threshold = coalesce(%(threshold)s, spending_alert_threshold),
    updated_at               = now()
WHERE user_id = %(user_id)s;

-- name: counter_differences
-- Users with counters that are not the sums of their attempts of the counters' month; only those months of the ledger are read.
WITH accounts AS MATERIALIZED (
    SELECT user_id, date_trunc('month', last_spend_reset)::date AS month, current_month_spend, reserved_spend_usd
    FROM user_llm_api_keys
    WHERE user_id IS NOT NULL
), sums AS (
    SELECT user_id, month, sum(charged_usd) AS spent,
           coalesce(sum(ceiling_usd) FILTER (WHERE state IN ('reserved', 'sent')), 0) AS reserved
    FROM llm_call_attempts
    WHERE month = ANY (ARRAY(SELECT DISTINCT month FROM accounts))
    GROUP BY user_id, month
)
SELECT k.user_id, k.month, k.current_month_spend AS counted_spent, coalesce(s.spent, 0) AS ledger_spent,
       k.reserved_spend_usd AS counted_reserved, coalesce(s.reserved, 0) AS ledger_reserved
FROM accounts k LEFT JOIN sums s ON s.user_id = k.user_id AND s.month = k.month
WHERE k.current_month_spend <> coalesce(s.spent, 0) OR k.reserved_spend_usd <> coalesce(s.reserved, 0)
ORDER BY k.user_id;

-- name: over_ceiling
-- Calls that were charged more than their reservation, in the last 62 days.
SELECT id, user_id, llm_provider, model_id, mode, ceiling_usd, charged_usd
FROM llm_call_attempts
WHERE kind NOT IN ('correction', 'opening') AND kind <> 'host' AND charged_usd > ceiling_usd AND reserved_at > now() - INTERVAL '62 days'
ORDER BY reserved_at;

-- name: count_open_attempts
-- The number of open attempts of each user.
SELECT user_id, count(*) AS attempts, sum(ceiling_usd) AS ceiling_usd
FROM llm_call_attempts WHERE state IN ('reserved', 'sent') GROUP BY user_id ORDER BY user_id;

-- name: ledger_size
-- The size of the ledger.
SELECT count(*) AS attempts, coalesce(sum(charged_usd), 0) AS charged_usd, count(DISTINCT user_id) AS users
FROM llm_call_attempts;

-- name: over_admitted
-- Calls that were reserved although spent and reserved were then above the limit.
SELECT id, user_id, month, llm_provider, model_id, mode, committed_usd, budget_usd, reserved_at
FROM llm_call_attempts
WHERE kind NOT IN ('correction', 'opening') AND kind <> 'host' AND coalesce(committed_usd > budget_usd, TRUE)
ORDER BY reserved_at, id;

-- name: left_open
-- Open calls that a run which started after them and has ended should have settled; those of a batch are open until it is collected.
SELECT a.id, a.user_id, a.month, a.state, a.llm_provider, a.model_id, a.mode, a.run_id, a.ceiling_usd, a.reserved_at
FROM llm_call_attempts a LEFT JOIN llm_batches b ON b.id = a.batch_id
WHERE a.state IN ('reserved', 'sent') AND coalesce(b.state IN ('collected', 'forgotten'), TRUE)
  AND EXISTS (SELECT FROM llm_monitoring_analysis_runs r
              WHERE r.started_at > a.reserved_at AND r.status IN ('completed', 'warnings'))
ORDER BY a.reserved_at, a.id;

-- name: attempts_of
-- A user's ledger entries of a month.
SELECT id, kind, state, llm_provider, model_id, mode, service_tier, run_id, ceiling_usd, charged_usd, saved_usd,
       reserved_at, closed_at
FROM llm_call_attempts
WHERE user_id = %(user_id)s AND month = %(month)s
ORDER BY reserved_at, id;

-- name: lock_account
-- Lock a user's counters until the transaction ends.
SELECT user_id FROM user_llm_api_keys WHERE user_id = %(user_id)s FOR UPDATE;

-- name: repair_counters
-- Set a user's counters to the sums of the attempts of their month if they differ; only after lock_account.
WITH sums AS (
    SELECT k.user_id, k.current_month_spend AS counted_spent, k.reserved_spend_usd AS counted_reserved,
           coalesce(sum(a.charged_usd), 0) AS spent,
           coalesce(sum(a.ceiling_usd) FILTER (WHERE a.state IN ('reserved', 'sent')), 0) AS reserved
    FROM user_llm_api_keys k
             LEFT JOIN llm_call_attempts a
                       ON a.user_id = k.user_id AND a.month = date_trunc('month', k.last_spend_reset)::date
    WHERE k.user_id = %(user_id)s
    GROUP BY k.user_id, k.current_month_spend, k.reserved_spend_usd
)
UPDATE user_llm_api_keys u
SET current_month_spend = sums.spent, reserved_spend_usd = sums.reserved, updated_at = now(),
    ledger_month = date_trunc('month', u.last_spend_reset)::date, ledger_spend_usd = sums.spent
FROM sums
WHERE u.user_id = sums.user_id
  AND ((sums.counted_spent, sums.counted_reserved) <> (sums.spent, sums.reserved)
       OR (u.ledger_month = date_trunc('month', u.last_spend_reset) AND u.ledger_spend_usd <> sums.spent))
RETURNING u.user_id, date_trunc('month', u.last_spend_reset)::date AS month, sums.counted_spent, sums.counted_reserved,
          u.current_month_spend, u.reserved_spend_usd, u.monthly_budget_usd, u.spending_alert_threshold;

-- name: month_by_model
-- A month's calls to a provider by owner of the key and model; calls in doubt were charged their ceiling.
SELECT CASE key_source WHEN 'user' THEN user_id END AS key_user_id, model_id, count(*) AS calls,
       sum(charged_usd) AS charged_usd, sum(charged_usd) FILTER (WHERE state = 'unknown') AS in_doubt_usd
FROM llm_call_attempts
WHERE llm_provider = %(provider)s AND month = %(month)s AND state IN ('settled', 'unknown')
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: history
-- What each user was charged, month by month, newest first, with the thresholds that were reached.
SELECT a.user_id, u.email, a.month, count(*) FILTER (WHERE a.sent_at IS NOT NULL) AS calls,
       coalesce(sum(a.charged_usd) FILTER (WHERE a.kind NOT IN ('correction', 'opening', 'host')), 0) AS calls_usd,
       coalesce(sum(a.charged_usd) FILTER (WHERE a.state = 'unknown'), 0)                     AS in_doubt_usd,
       coalesce(sum(a.charged_usd) FILTER (WHERE a.kind IN ('correction', 'opening', 'host')), 0)     AS corrected_usd,
       sum(a.charged_usd)                                                                     AS charged_usd,
       (SELECT array_agg(trim_scale(b.threshold) ORDER BY b.threshold) FROM llm_budget_alerts b
        WHERE b.user_id = a.user_id AND b.month = a.month)                                    AS reached
FROM llm_call_attempts a LEFT JOIN users u ON u.id = a.user_id
WHERE (%(user_id)s::int IS NULL OR a.user_id = %(user_id)s) AND a.month > %(month)s::date - make_interval(months => %(months)s)
GROUP BY a.user_id, u.email, a.month
ORDER BY a.month DESC, a.user_id;
