-- Addresses that may look at a project, whether a user has them or not: who invites does not learn which it is.

CREATE TABLE llm_viewer_invitations (
    project_id INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    email      TEXT        NOT NULL CHECK (length(email) BETWEEN 3 AND 255),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX llm_viewer_invitations_key ON llm_viewer_invitations (project_id, lower(email COLLATE "C"));
CREATE INDEX llm_viewer_invitations_of_address ON llm_viewer_invitations (lower(email COLLATE "C"));
