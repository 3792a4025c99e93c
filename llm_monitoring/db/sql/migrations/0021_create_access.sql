-- Access through the web service: tokens of programs, who may see a project besides its owner, what was changed by whom,
-- the answers to requests that may come twice, and analyses that were ordered. Users are the host application's table, which
-- may lack the key that a foreign key needs: what a user who was deleted leaves here is found by no query.

CREATE TABLE llm_api_tokens (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      INTEGER     NOT NULL,
    name         TEXT        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- the token's first characters, by which a person recognises it; the rest is kept as a hash alone
    prefix       TEXT        NOT NULL CHECK (length(prefix) = 12),
    token_hash   BYTEA       NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    scopes       TEXT[]      NOT NULL CHECK (cardinality(scopes) > 0),
    -- NULL: every project of the user, also those to come; an empty list must not mean all
    project_ids  INTEGER[]   CHECK (cardinality(project_ids) > 0),
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at   TIMESTAMPTZ CHECK (expires_at > created_at),
    last_used_at TIMESTAMPTZ,
    revoked_at   TIMESTAMPTZ
);
CREATE INDEX llm_api_tokens_of_user ON llm_api_tokens (user_id);

CREATE TABLE llm_project_viewers (
    project_id INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    user_id    INTEGER     NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX llm_project_viewers_of_user ON llm_project_viewers (user_id);

-- Written in the transaction of the change itself. No foreign keys: the record outlives what it is about.
CREATE TABLE llm_audit_log (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         TIMESTAMPTZ NOT NULL DEFAULT now(),
    user_id    INTEGER     NOT NULL,
    actor_kind TEXT        NOT NULL CHECK (actor_kind IN ('token', 'person', 'share', 'command')),
    actor_id   BIGINT,
    action     TEXT        NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    project_id INTEGER,
    object_id  TEXT,
    before     JSONB,
    after      JSONB
);
CREATE INDEX llm_audit_log_of_user ON llm_audit_log (user_id, id);

CREATE TABLE llm_idempotency_keys (
    user_id    INTEGER     NOT NULL,
    key        TEXT        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    operation  TEXT        NOT NULL,
    body_hash  BYTEA       NOT NULL CHECK (octet_length(body_hash) = 32),
    status     INTEGER,
    body       JSONB,
    headers    JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);

CREATE TABLE llm_analysis_orders (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id  INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    user_id     INTEGER     NOT NULL,
    day         DATE        NOT NULL,
    status      TEXT        NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'running', 'completed', 'failed', 'cancelled')),
    -- a code of why it ended so, as a run has it
    reason      TEXT,
    run_id      INTEGER,
    open_calls  INTEGER     NOT NULL CHECK (open_calls >= 0),
    ceiling_usd NUMERIC(18, 10) NOT NULL CHECK (ceiling_usd >= 0),
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    started_at  TIMESTAMPTZ,
    ended_at    TIMESTAMPTZ,
    CHECK ((ended_at IS NULL) = (status IN ('waiting', 'running')))
);
-- two requests at once make one order
CREATE UNIQUE INDEX llm_analysis_orders_one_open ON llm_analysis_orders (project_id)
    WHERE status IN ('waiting', 'running');

-- An archived project is asked no more, and its rows stay.
ALTER TABLE llm_monitoring_projects ADD COLUMN IF NOT EXISTS archived_at TIMESTAMPTZ;
