-- A second pair of eyes inside the test's database: what each commit did, judged apart from the package's own SQL.
CREATE TABLE watch_breaches (
    n    BIGSERIAL PRIMARY KEY,
    rule TEXT NOT NULL,
    message TEXT NOT NULL
);

CREATE TABLE watch_steps (
    n          BIGSERIAL PRIMARY KEY,
    attempt_id UUID NOT NULL,
    before     TEXT,
    after      TEXT NOT NULL,
    at         TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX watch_steps_attempt ON watch_steps (attempt_id);

CREATE FUNCTION watch_month() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last_spend_reset < OLD.last_spend_reset THEN
        INSERT INTO watch_breaches (rule, message)
        VALUES ('I2', format('user %s: the month went back from %s to %s', NEW.user_id, OLD.last_spend_reset, NEW.last_spend_reset));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watch_month AFTER UPDATE OF last_spend_reset
    ON user_llm_api_keys FOR EACH ROW EXECUTE FUNCTION watch_month();

-- An admission is a new attempt: a start that puts a counter back which the host has changed admits nothing.
CREATE FUNCTION watch_admission() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    account RECORD;
BEGIN
    SELECT current_month_spend AS spent, reserved_spend_usd AS reserved, monthly_budget_usd AS budget INTO account
    FROM user_llm_api_keys WHERE user_id = NEW.user_id;
    IF account.spent + account.reserved > account.budget THEN
        INSERT INTO watch_breaches (rule, message)
        VALUES ('I1', format('user %s: a call was admitted at %s spent + %s reserved of %s', NEW.user_id,
                             account.spent, account.reserved, account.budget));
    END IF;
    IF account.spent >= account.budget THEN
        INSERT INTO watch_breaches (rule, message)
        VALUES ('I9', format('user %s: a call was admitted at 100 %%: %s of %s spent', NEW.user_id, account.spent, account.budget));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watch_admission AFTER INSERT ON llm_call_attempts
    FOR EACH ROW WHEN (NEW.state = 'reserved') EXECUTE FUNCTION watch_admission();

CREATE FUNCTION watch_attempt() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    before TEXT := CASE TG_OP WHEN 'UPDATE' THEN OLD.state END;
BEGIN
    INSERT INTO watch_steps (attempt_id, before, after) VALUES (NEW.id, before, NEW.state);
    IF before = 'reserved' AND NEW.state = 'sent' AND NEW.kind IN ('answer', 'sentiment') THEN
        INSERT INTO watch_breaches (rule, message)
        SELECT 'I5', format('attempt %s of run %s, sent by a statement of %s, asks a task again that attempt %s of run %s settled: %s',
                            NEW.id, NEW.run_id, statement_timestamp(), a.id, a.run_id,
                            (SELECT string_agg(s.after || ' at ' || s.at, ', ' ORDER BY s.n) FROM watch_steps s WHERE s.attempt_id = a.id))
        FROM llm_call_attempts a
        WHERE a.project_id = NEW.project_id AND a.query_id = NEW.query_id AND a.task_provider = NEW.task_provider
          AND a.analysis_date = NEW.analysis_date AND a.sample = NEW.sample AND a.kind = NEW.kind
          AND a.id <> NEW.id AND a.state NOT IN ('void', 'unknown');
    END IF;
    IF NEW.month IS DISTINCT FROM OLD.month AND before IS NOT NULL THEN
        INSERT INTO watch_breaches (rule, message) VALUES ('I2', format('attempt %s changed its month', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watch_attempt AFTER INSERT OR UPDATE OF state, month
    ON llm_call_attempts FOR EACH ROW EXECUTE FUNCTION watch_attempt();

CREATE FUNCTION watch_operator() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.month < OLD.month THEN
        INSERT INTO watch_breaches (rule, message)
        VALUES ('I2', format('the operator: the month went back from %s to %s', OLD.month, NEW.month));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watch_operator AFTER UPDATE OF month ON llm_operator_account FOR EACH ROW EXECUTE FUNCTION watch_operator();
