-- name: accounts_astray
-- Accounts with counters that are not the sums of the ledger, with a month ahead of the database's, or with a limit that is not an amount.
WITH sums AS (
    SELECT user_id, sum(charged_usd) AS spent,
           coalesce(sum(ceiling_usd) FILTER (WHERE state IN ('reserved', 'sent')), 0) AS reserved
    FROM llm_call_attempts WHERE month = %(month)s
    GROUP BY user_id
)
SELECT k.user_id
FROM user_llm_api_keys k LEFT JOIN sums s ON s.user_id = k.user_id
WHERE k.user_id IS NOT NULL
  AND (date_trunc('month', k.last_spend_reset)::date > %(month)s
       OR NOT k.monthly_budget_usd < 1e15
       OR (date_trunc('month', k.last_spend_reset)::date = %(month)s
           AND (k.current_month_spend <> coalesce(s.spent, 0) OR k.reserved_spend_usd <> coalesce(s.reserved, 0)
                OR (k.ledger_month = %(month)s AND k.ledger_spend_usd <> coalesce(s.spent, 0)))))
ORDER BY k.user_id;

-- name: added_before
-- What hosts had added to counters of months that have ended, entered in the ledger since the last start.
SELECT user_id, llm_ledger_spent(user_id, month) - charged_usd AS was, llm_ledger_spent(user_id, month) AS now
FROM llm_call_attempts
WHERE kind = 'host' AND month < %(month)s
  AND closed_at > coalesce((SELECT max(started_at) FROM llm_monitoring_analysis_runs), '-infinity')
ORDER BY closed_at, id;

-- name: raise_due_alerts
-- Record the thresholds that spends have reached without a settlement that did: by a lower limit or threshold, for example.
INSERT INTO llm_budget_alerts (user_id, month, threshold, spent_usd, budget_usd)
SELECT DISTINCT k.user_id, %(month)s::date, due.threshold, k.current_month_spend, k.monthly_budget_usd
FROM user_llm_api_keys k CROSS JOIN LATERAL (VALUES (k.spending_alert_threshold), (%(blocked_at)s::numeric)) AS due (threshold)
WHERE k.user_id IS NOT NULL AND date_trunc('month', k.last_spend_reset)::date = %(month)s
  AND k.current_month_spend > 0 AND k.current_month_spend < 1e15 AND k.monthly_budget_usd > 0 AND k.monthly_budget_usd < 1e15
  AND due.threshold <= 100 AND 100 * k.current_month_spend >= due.threshold * k.monthly_budget_usd
ON CONFLICT (user_id, month, threshold) DO NOTHING;

-- name: lock_account
-- Lock an account until the transaction ends.
SELECT user_id FROM user_llm_api_keys WHERE user_id = %(user_id)s FOR UPDATE;

-- name: account
-- An account and the ledger of the current month; only after lock_account.
SELECT date_trunc('month', last_spend_reset)::date > %(month)s AS is_ahead,
       date_trunc('month', last_spend_reset)::date AS month,
       nullif(current_month_spend, 'NaN') AS spent, nullif(reserved_spend_usd, 'NaN') AS reserved,
       llm_ledger_spent(user_id, %(month)s) AS ledger_spent, llm_ledger_reserved(user_id, %(month)s) AS ledger_reserved,
       monthly_budget_usd < 1e15 AS has_budget
FROM user_llm_api_keys WHERE user_id = %(user_id)s;

-- name: enter_host_spend
-- Enter in the ledger what the host added to a counter.
INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, closed_at, error_message)
VALUES (%(id)s, 'host', 'settled', %(user_id)s, %(month)s, %(amount)s, %(amount)s, clock_timestamp(),
        'the host application had added this to the counter');

-- name: set_account
-- Set an account to the sums of the ledger of the current month; only after lock_account.
UPDATE user_llm_api_keys
SET current_month_spend = llm_ledger_spent(user_id, %(month)s), reserved_spend_usd = llm_ledger_reserved(user_id, %(month)s),
    ledger_month = %(month)s, ledger_spend_usd = llm_ledger_spent(user_id, %(month)s),
    last_spend_reset = CASE WHEN date_trunc('month', last_spend_reset)::date > %(month)s THEN %(month)s::date ELSE last_spend_reset END,
    updated_at = now()
WHERE user_id = %(user_id)s
RETURNING user_id, ledger_month AS month, current_month_spend, reserved_spend_usd, ledger_spend_usd, monthly_budget_usd,
          spending_alert_threshold;

-- name: set_operator
-- Set the operator's account to the sums of its calls.
UPDATE llm_operator_account o
SET spent_usd = s.spent, reserved_usd = s.reserved,
    month = CASE WHEN o.month > %(month)s THEN %(month)s::date ELSE o.month END
FROM (SELECT coalesce(sum(a.charged_usd), 0) AS spent,
             coalesce(sum(a.ceiling_usd) FILTER (WHERE a.state IN ('reserved', 'sent')), 0) AS reserved
      FROM llm_call_attempts a
      WHERE a.operator_month = (SELECT CASE WHEN month > %(month)s THEN %(month)s::date ELSE month END FROM llm_operator_account)) s
WHERE (o.spent_usd, o.reserved_usd) <> (s.spent, s.reserved) OR o.month > %(month)s
RETURNING o.month, o.spent_usd, o.reserved_usd;

-- name: open_operator
-- Open the operator's account.
INSERT INTO llm_operator_account (month) VALUES (%(month)s) ON CONFLICT (id) DO NOTHING;

-- name: lock_operator
-- Lock the operator's account until the transaction ends.
SELECT month, spent_usd, reserved_usd FROM llm_operator_account FOR UPDATE;
