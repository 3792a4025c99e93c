-- A user whose limit is 0 may spend nothing until someone sets one. The host's own rules on the column stay.
DO $$
DECLARE
    old RECORD;
BEGIN
    FOR old IN SELECT conname FROM pg_constraint
               WHERE conrelid = 'user_llm_api_keys'::regclass AND contype = 'c'
                 AND pg_get_constraintdef(oid) ~ '^CHECK \(\(monthly_budget_usd > \(?0(\.0*)?\)?(::numeric)?\)\)'
    LOOP
        EXECUTE format('ALTER TABLE user_llm_api_keys DROP CONSTRAINT %I', old.conname);
    END LOOP;
END $$;

-- The ledger's own copy of a month's spend: what a host writes into its counters admits no call beyond the limit.
-- NaN is greater than every number, so that it passes a lower bound alone; rows that a host wrote before are not checked.
ALTER TABLE user_llm_api_keys
    ADD COLUMN ledger_month     DATE CHECK (extract(DAY FROM ledger_month) = 1),
    ADD COLUMN ledger_spend_usd NUMERIC(18, 10) NOT NULL DEFAULT 0 CHECK (ledger_spend_usd >= 0 AND ledger_spend_usd < 1e15),
    ADD CONSTRAINT user_llm_api_keys_budget_is_an_amount
        CHECK (monthly_budget_usd >= 0 AND monthly_budget_usd < 1e15) NOT VALID,
    ADD CONSTRAINT user_llm_api_keys_counters_are_amounts
        CHECK (current_month_spend < 1e15 AND reserved_spend_usd < 1e15) NOT VALID,
    ADD CONSTRAINT user_llm_api_keys_threshold_is_a_percentage
        CHECK (spending_alert_threshold >= 0 AND spending_alert_threshold <= 100) NOT VALID;

-- The spend that a host adds to a counter becomes an entry of the ledger.
ALTER TABLE llm_call_attempts
    DROP CONSTRAINT llm_call_attempts_kind_check,
    DROP CONSTRAINT llm_call_attempts_admitted_within_budget,
    DROP CONSTRAINT llm_call_attempts_sent_before_billed,
    ADD COLUMN operator_month         DATE,
    ADD COLUMN operator_committed_usd NUMERIC(18, 10),
    ADD COLUMN operator_budget_usd    NUMERIC(18, 10),
    ADD CONSTRAINT llm_call_attempts_kind_check
        CHECK (kind IN ('answer', 'sentiment', 'probe', 'correction', 'opening', 'host')),
    ADD CONSTRAINT llm_call_attempts_admitted_within_budget
        CHECK (kind IN ('correction', 'opening', 'host')
            OR (ceiling_usd > 0 AND coalesce(committed_usd <= budget_usd, FALSE))),
    ADD CONSTRAINT llm_call_attempts_admitted_within_operator_budget
        CHECK (operator_budget_usd IS NULL OR coalesce(operator_committed_usd <= operator_budget_usd, FALSE)),
    ADD CONSTRAINT llm_call_attempts_sent_before_billed
        CHECK (kind IN ('correction', 'opening', 'host') OR state NOT IN ('sent', 'settled', 'unknown') OR sent_at IS NOT NULL),
    ADD CONSTRAINT llm_call_attempts_amounts_are_numbers
        CHECK (ceiling_usd < 1e15 AND charged_usd > -1e15 AND charged_usd < 1e15 AND committed_usd < 1e15 AND budget_usd < 1e15)
        NOT VALID;
COMMENT ON COLUMN llm_call_attempts.operator_month IS 'the month of the operator''s account that a call with the operator''s key counts in';

CREATE FUNCTION llm_ledger_spent(account INTEGER, of_month DATE) RETURNS NUMERIC LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(charged_usd), 0) FROM llm_call_attempts WHERE user_id = account AND month = of_month
$$;
CREATE FUNCTION llm_ledger_reserved(account INTEGER, of_month DATE) RETURNS NUMERIC LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(ceiling_usd), 0) FROM llm_call_attempts
    WHERE user_id = account AND month = of_month AND state IN ('reserved', 'sent')
$$;

-- All calls that are made with the operator's keys, whoever they are for, counted together in a calendar month.
CREATE TABLE llm_operator_account (
    id           SMALLINT PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    month        DATE            NOT NULL CHECK (extract(DAY FROM month) = 1),
    spent_usd    NUMERIC(18, 10) NOT NULL DEFAULT 0 CHECK (spent_usd >= 0 AND spent_usd < 1e15),
    reserved_usd NUMERIC(18, 10) NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0 AND reserved_usd < 1e15)
);
UPDATE llm_call_attempts SET operator_month = month WHERE key_source = 'operator';
CREATE INDEX llm_call_attempts_operator ON llm_call_attempts (operator_month) WHERE operator_month IS NOT NULL;
INSERT INTO llm_operator_account (month, spent_usd, reserved_usd)
SELECT this.month, coalesce(sum(a.charged_usd), 0),
       coalesce(sum(a.ceiling_usd) FILTER (WHERE a.state IN ('reserved', 'sent')), 0)
FROM (SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month) this
         LEFT JOIN llm_call_attempts a ON a.operator_month = this.month
GROUP BY this.month;
