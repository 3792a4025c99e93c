-- Reanalyses that were asked for on a page or over the API, done by the web service. A row, so that a kill loses none.
CREATE TABLE llm_reanalysis_jobs (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    user_id    INTEGER     NOT NULL,
    status     TEXT        NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'running', 'completed', 'failed', 'cancelled')),
    -- a code of why it ended so
    reason     TEXT,
    -- stale answers to read, and how many of them are read
    answers    INTEGER     NOT NULL CHECK (answers >= 0),
    done       INTEGER     NOT NULL DEFAULT 0 CHECK (done BETWEEN 0 AND answers),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    started_at TIMESTAMPTZ,
    ended_at   TIMESTAMPTZ,
    CHECK ((ended_at IS NULL) = (status IN ('waiting', 'running')))
);
-- two requests at once make one job
CREATE UNIQUE INDEX llm_reanalysis_jobs_one_open ON llm_reanalysis_jobs (project_id)
    WHERE status IN ('waiting', 'running');
CREATE INDEX llm_reanalysis_jobs_of_project ON llm_reanalysis_jobs (project_id, id);
