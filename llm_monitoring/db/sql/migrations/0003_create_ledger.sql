-- The ledger: one row a paid call. It has no foreign key to users or projects, because it outlives both.
UPDATE user_llm_api_keys SET monthly_budget_usd = 100.00 WHERE monthly_budget_usd IS NULL;
UPDATE user_llm_api_keys SET current_month_spend = 0 WHERE current_month_spend IS NULL;
UPDATE user_llm_api_keys SET spending_alert_threshold = 80.0 WHERE spending_alert_threshold IS NULL;
UPDATE user_llm_api_keys SET last_spend_reset = coalesce(created_at, now()) WHERE last_spend_reset IS NULL;

ALTER TABLE user_llm_api_keys
    ALTER COLUMN monthly_budget_usd SET NOT NULL,
    ALTER COLUMN current_month_spend TYPE NUMERIC(18, 10),
    ALTER COLUMN current_month_spend SET NOT NULL,
    ALTER COLUMN spending_alert_threshold SET NOT NULL,
    ALTER COLUMN last_spend_reset SET NOT NULL,
    ADD COLUMN reserved_spend_usd NUMERIC(18, 10) NOT NULL DEFAULT 0 CHECK (reserved_spend_usd >= 0);

CREATE TABLE llm_call_attempts (
    id                 UUID PRIMARY KEY,
    kind               TEXT        NOT NULL CHECK (kind IN ('answer', 'sentiment', 'probe', 'correction', 'opening')),
    state              TEXT        NOT NULL CHECK (state IN ('reserved', 'sent', 'settled', 'void', 'unknown')),
    user_id            INTEGER     NOT NULL,
    month              DATE        NOT NULL CHECK (extract(DAY FROM month) = 1),
    run_id             BIGINT,
    project_id         INTEGER,
    query_id           INTEGER,
    task_provider      VARCHAR(50),
    analysis_date      DATE,
    sample             SMALLINT,
    llm_provider       VARCHAR(50),
    model_id           VARCHAR(100),
    model_served       TEXT,
    key_source         TEXT CHECK (key_source IN ('user', 'operator')),
    ceiling_usd        NUMERIC(18, 10) NOT NULL CHECK (ceiling_usd >= 0),
    charged_usd        NUMERIC(18, 10) NOT NULL DEFAULT 0,
    committed_usd      NUMERIC(18, 10),
    budget_usd         NUMERIC(18, 10),
    input_tokens       INTEGER,
    output_tokens      INTEGER,
    cached_tokens      INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens   INTEGER,
    searches           INTEGER,
    error_kind         TEXT,
    error_message      TEXT,
    reserved_at        TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    sent_token         UUID,
    sent_at            TIMESTAMPTZ,
    closed_at          TIMESTAMPTZ,
    CONSTRAINT llm_call_attempts_admitted_within_budget
        CHECK (kind IN ('correction', 'opening') OR (ceiling_usd > 0 AND coalesce(committed_usd <= budget_usd, FALSE))),
    CONSTRAINT llm_call_attempts_charge_fits_state
        CHECK (CASE state
                   WHEN 'settled' THEN charged_usd >= 0 OR kind = 'correction'
                   WHEN 'unknown' THEN charged_usd = ceiling_usd
                   ELSE charged_usd = 0 END),
    CONSTRAINT llm_call_attempts_sent_before_billed
        CHECK (kind IN ('correction', 'opening') OR state NOT IN ('sent', 'settled', 'unknown') OR sent_at IS NOT NULL)
);
COMMENT ON COLUMN llm_call_attempts.task_provider IS 'the provider whose answer the call is for; a sentiment call may go to another (llm_provider)';
COMMENT ON COLUMN llm_call_attempts.committed_usd IS 'spent + reserved of the user and month right after this admission';

CREATE UNIQUE INDEX llm_call_attempts_one_open_per_task
    ON llm_call_attempts (project_id, query_id, task_provider, analysis_date, sample, kind)
    WHERE state IN ('reserved', 'sent') AND kind IN ('answer', 'sentiment');
CREATE INDEX llm_call_attempts_month ON llm_call_attempts (user_id, month);
CREATE INDEX llm_call_attempts_open ON llm_call_attempts (state) WHERE state IN ('reserved', 'sent');
CREATE INDEX llm_call_attempts_cell ON llm_call_attempts (project_id, analysis_date, task_provider);
CREATE INDEX llm_call_attempts_run ON llm_call_attempts (run_id);

CREATE TABLE llm_call_receipts (
    attempt_id  UUID PRIMARY KEY REFERENCES llm_call_attempts (id) ON DELETE CASCADE,
    received_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    http_status INTEGER     NOT NULL,
    latency_ms  INTEGER     NOT NULL,
    request_id  TEXT,
    body        BYTEA       NOT NULL
);
CREATE INDEX llm_call_receipts_received ON llm_call_receipts (received_at);

CREATE TABLE llm_budget_alerts (
    user_id      INTEGER       NOT NULL,
    month        DATE          NOT NULL,
    threshold    NUMERIC(5, 2) NOT NULL,
    spent_usd    NUMERIC(18, 10) NOT NULL,
    budget_usd   NUMERIC(18, 10) NOT NULL,
    raised_at    TIMESTAMPTZ   NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, month, threshold)
);

-- What was spent before there was a ledger enters it as one opening row a user, so that the sums agree from the start.
INSERT INTO llm_call_attempts (id, kind, state, user_id, month, ceiling_usd, charged_usd, closed_at)
SELECT gen_random_uuid(), 'opening', 'settled', user_id, date_trunc('month', last_spend_reset)::date,
       current_month_spend, current_month_spend, now()
FROM user_llm_api_keys
WHERE current_month_spend > 0 AND user_id IS NOT NULL;
