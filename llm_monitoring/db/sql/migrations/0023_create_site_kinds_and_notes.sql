-- What people say of a project besides its definition: of which kind a cited site is, and what they did on a day.

-- The kinds `own` and `rival` come from declared sites alone, as the figures of citations do.
CREATE TABLE llm_site_kinds (
    project_id INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    site       TEXT        NOT NULL CHECK (length(site) BETWEEN 3 AND 253),
    kind       TEXT        NOT NULL CHECK (kind IN ('editorial', 'reference', 'forum', 'shop', 'institutional', 'other')),
    set_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, site)
);

-- Users are the host application's table, which may lack the key that a foreign key needs.
CREATE TABLE llm_project_notes (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id  INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    day         DATE        NOT NULL,
    text        TEXT        NOT NULL CHECK (length(text) BETWEEN 1 AND 500),
    author_kind TEXT        NOT NULL CHECK (author_kind IN ('token', 'person', 'command')),
    author_id   INTEGER,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK ((author_id IS NULL) = (author_kind = 'command'))
);
CREATE INDEX llm_project_notes_by_day ON llm_project_notes (project_id, day);
