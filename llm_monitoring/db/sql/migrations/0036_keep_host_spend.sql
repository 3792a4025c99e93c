-- What a host added to a counter stays on record if its month ends before a start has entered it in the ledger: whoever
-- starts the new month, the host's own reset included, leaves the difference as an entry of the old one.
CREATE FUNCTION user_llm_api_keys_month_ends() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    ended CONSTANT DATE := date_trunc('month', OLD.last_spend_reset)::date;
BEGIN
    INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, closed_at, error_message)
    SELECT gen_random_uuid(), 'host', 'settled', OLD.user_id, ended, added, added, clock_timestamp(),
           'the host application had added this to the counter before the month ended'
    FROM (SELECT nullif(OLD.current_month_spend, 'NaN') - llm_ledger_spent(OLD.user_id, ended) AS added) AS host
    WHERE added > 0;
    RETURN NULL;
END $$;
-- A host's role that resets its counters need not be able to write the ledger.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION user_llm_api_keys_month_ends() SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp',
                   current_schema());
END $$;
CREATE TRIGGER user_llm_api_keys_month_ends AFTER UPDATE OF last_spend_reset ON user_llm_api_keys
    FOR EACH ROW
    WHEN (OLD.user_id IS NOT NULL AND date_trunc('month', OLD.last_spend_reset) < date_trunc('month', NEW.last_spend_reset))
    EXECUTE FUNCTION user_llm_api_keys_month_ends();

-- Every start reports those that came since the one before.
CREATE INDEX llm_call_attempts_host ON llm_call_attempts (closed_at) WHERE kind = 'host';
