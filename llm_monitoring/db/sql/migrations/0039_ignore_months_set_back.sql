-- A host that dates a counter in an earlier month than the ledger has counted, or before there was a calendar of ours, adds
-- nothing to that month: only what a counter holds at the end of its own month is entered.
CREATE OR REPLACE FUNCTION user_llm_api_keys_month_ends() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    ended CONSTANT DATE := date_trunc('month', OLD.last_spend_reset)::date;
BEGIN
    INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, closed_at, error_message)
    SELECT gen_random_uuid(), 'host', 'settled', OLD.user_id, ended, added, added, clock_timestamp(),
           'the host application had added this to the counter before the month ended'
    FROM (SELECT nullif(OLD.current_month_spend, 'NaN') - llm_ledger_spent(OLD.user_id, ended) AS added) AS host
    WHERE added > 0 AND ended >= DATE '2000-01-01' AND coalesce(OLD.ledger_month <= ended, TRUE);
    RETURN NULL;
END $$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION user_llm_api_keys_month_ends() SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp',
                   current_schema());
END $$;
