-- Batches of calls, which a provider answers within a day at a lower price. A row says how far a batch is: what a state
-- requires stands in the constraints, so that a start can go on from any of them.
CREATE TABLE llm_batches (
    id                UUID PRIMARY KEY,
    llm_provider      VARCHAR(50)  NOT NULL,
    model_id          VARCHAR(100) NOT NULL,
    key_user_id       INTEGER,
    key_hash          TEXT         NOT NULL,
    web_search        BOOLEAN      NOT NULL,
    pace              TEXT         NOT NULL CHECK (pace IN ('punctual', 'patient')),
    run_id            BIGINT,
    requests          INTEGER      NOT NULL DEFAULT 0 CHECK (requests >= 0),
    state             TEXT         NOT NULL DEFAULT 'preparing'
        CHECK (state IN ('preparing', 'posting', 'running', 'ended', 'collected', 'forgotten')),
    outcome           TEXT CHECK (outcome IN ('withdrawn', 'refused', 'absent', 'lost', 'completed', 'expired', 'cancelled',
                                              'failed')),
    input_file        TEXT,
    remote_id         TEXT,
    opened_at         TIMESTAMPTZ  NOT NULL DEFAULT clock_timestamp(),
    posted_at         TIMESTAMPTZ,
    created_remote_at TIMESTAMPTZ,
    expires_at        TIMESTAMPTZ,
    looked_at         TIMESTAMPTZ,
    absent_at         TIMESTAMPTZ,
    cancelled_at      TIMESTAMPTZ,
    ended_at          TIMESTAMPTZ,
    usage_counted_at  TIMESTAMPTZ,
    error             TEXT,
    CONSTRAINT llm_batches_fit_state
        CHECK (CASE state
                   WHEN 'preparing' THEN posted_at IS NULL AND remote_id IS NULL AND ended_at IS NULL
                   WHEN 'posting' THEN posted_at IS NOT NULL AND requests > 0 AND remote_id IS NULL AND ended_at IS NULL
                   WHEN 'running' THEN posted_at IS NOT NULL AND requests > 0 AND remote_id IS NOT NULL AND ended_at IS NULL
                   WHEN 'ended' THEN posted_at IS NOT NULL AND requests > 0 AND remote_id IS NOT NULL AND ended_at IS NOT NULL
                   ELSE ended_at IS NOT NULL END),
    CONSTRAINT llm_batches_closed_with_outcome
        CHECK ((state IN ('collected', 'forgotten')) = (outcome IS NOT NULL)),
    CONSTRAINT llm_batches_outcome_fits
        CHECK (CASE
                   WHEN outcome = 'withdrawn' THEN posted_at IS NULL
                   WHEN outcome IN ('refused', 'absent') THEN posted_at IS NOT NULL AND remote_id IS NULL
                   WHEN outcome = 'lost' THEN posted_at IS NOT NULL
                   WHEN outcome IS NOT NULL THEN remote_id IS NOT NULL
                   ELSE TRUE END),
    CONSTRAINT llm_batches_one_remote UNIQUE (llm_provider, remote_id)
);
COMMENT ON TABLE llm_batches IS 'one row a batch: calls with one key and one model, each of them an attempt of its own';
COMMENT ON COLUMN llm_batches.key_user_id IS 'the user with the key; NULL: the key of the operator';
COMMENT ON COLUMN llm_batches.key_hash IS 'of the key that the batch was made with: another key may not see it';
COMMENT ON COLUMN llm_batches.absent_at IS 'when the provider first did not know a batch that may have been made';

CREATE INDEX llm_batches_open ON llm_batches (state) WHERE state NOT IN ('collected', 'forgotten');
CREATE INDEX llm_batches_recent ON llm_batches (llm_provider, opened_at);

ALTER TABLE llm_call_attempts
    ADD COLUMN batch_id UUID REFERENCES llm_batches (id)
        CONSTRAINT llm_call_attempts_batch_fits_mode CHECK (batch_id IS NULL OR mode = 'batch');
COMMENT ON COLUMN llm_call_attempts.batch_id IS 'the batch that the call is part of; until that is collected, only the batch decides what became of the call';
CREATE INDEX llm_call_attempts_batch ON llm_call_attempts (batch_id) WHERE batch_id IS NOT NULL;

-- Answers of a batch may come after their day: a later run scores their sentiment.
CREATE INDEX llm_monitoring_results_late ON llm_monitoring_results (analysis_date)
    WHERE sentiment_status = 'pending' AND mode = 'batch';

ALTER TABLE llm_monitoring_projects DROP CONSTRAINT llm_monitoring_projects_known_pace;
ALTER TABLE llm_monitoring_projects
    ADD CONSTRAINT llm_monitoring_projects_known_pace CHECK (pace IN ('prompt', 'punctual', 'patient'));
COMMENT ON COLUMN llm_monitoring_projects.pace IS 'prompt: every call at once. punctual: cheaper where LLM_ECONOMY allows it, and what is late at the full price within the same run. patient: cheaper, and what is late comes with a later start';
