-- Measured periods, each kept until something changes that it was made of. All of it can be measured again.
CREATE TABLE llm_stored_figures (
    project_id  INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    first_day   DATE        NOT NULL,
    last_day    DATE        NOT NULL CHECK (last_day >= first_day),
    -- what else was asked: the period to compare with, one provider alone
    filters     TEXT        NOT NULL CHECK (length(filters) <= 1000),
    -- a digest of the rows that the figures are made of, and of the code that made them
    version     TEXT        NOT NULL CHECK (length(version) = 32),
    body        TEXT        NOT NULL,
    measured_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project_id, first_day, last_day, filters)
);
