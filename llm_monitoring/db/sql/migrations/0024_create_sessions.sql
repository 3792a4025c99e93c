-- People in the web service: who was invited, links to sign in with, sessions, links that share a project, and what is
-- shown of an agency on them. Users are the host application's table, which may lack the key that a foreign key needs:
-- what a user who was deleted leaves here is found by no query.

CREATE TABLE llm_people (
    user_id     INTEGER     PRIMARY KEY,
    invited_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- from then on no link, no provider and no hand-off signs this user in, and every session has ended
    disabled_at TIMESTAMPTZ
);

CREATE TABLE llm_sign_in_links (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    INTEGER     NOT NULL,
    link_hash  BYTEA       NOT NULL UNIQUE CHECK (octet_length(link_hash) = 32),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ NOT NULL CHECK (expires_at > created_at),
    spent_at   TIMESTAMPTZ
);
CREATE INDEX llm_sign_in_links_of_user ON llm_sign_in_links (user_id, created_at);

CREATE TABLE llm_sessions (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      INTEGER     NOT NULL,
    session_hash BYTEA       NOT NULL UNIQUE CHECK (octet_length(session_hash) = 32),
    method       TEXT        NOT NULL CHECK (method IN ('link', 'oidc', 'hand_off')),
    -- the browser's own name for itself: untrusted text
    client       TEXT        NOT NULL DEFAULT '' CHECK (length(client) <= 200),
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    last_used_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at   TIMESTAMPTZ NOT NULL CHECK (expires_at > created_at),
    ended_at     TIMESTAMPTZ
);
CREATE INDEX llm_sessions_of_user ON llm_sessions (user_id);

-- Each is signed by the host application for one use.
CREATE TABLE llm_spent_hand_offs (
    hand_off_hash BYTEA       PRIMARY KEY CHECK (octet_length(hand_off_hash) = 32),
    spent_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE llm_share_links (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id     INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    user_id        INTEGER     NOT NULL,
    label          TEXT        NOT NULL CHECK (length(label) BETWEEN 1 AND 100),
    link_hash      BYTEA       NOT NULL UNIQUE CHECK (octet_length(link_hash) = 32),
    kind           TEXT        NOT NULL CHECK (kind IN ('live', 'frozen')),
    -- a frozen link shows this report of its day, byte for byte
    report         BYTEA,
    created_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at     TIMESTAMPTZ NOT NULL CHECK (expires_at > created_at),
    revoked_at     TIMESTAMPTZ,
    opens          INTEGER     NOT NULL DEFAULT 0 CHECK (opens >= 0),
    last_opened_at TIMESTAMPTZ,
    CHECK ((kind = 'frozen') = (report IS NOT NULL))
);
CREATE INDEX llm_share_links_of_project ON llm_share_links (project_id, id);

-- What shared pages and reports show of the account that shares them.
CREATE TABLE llm_agencies (
    user_id    INTEGER     PRIMARY KEY,
    name       TEXT        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    logo       BYTEA       CHECK (octet_length(logo) BETWEEN 1 AND 100000),
    logo_type  TEXT        CHECK (logo_type IN ('image/png', 'image/jpeg', 'image/webp')),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((logo IS NULL) = (logo_type IS NULL))
);
