-- Tags of prompts, by which figures and answers are filtered, and names of answers that a user does not want to track.

CREATE TABLE llm_prompt_tags (
    query_id INTEGER NOT NULL REFERENCES llm_monitoring_queries (id) ON DELETE CASCADE,
    -- in small letters, as tags are compared; a comma parts tags where several are written in a row
    tag      TEXT    NOT NULL CHECK (length(tag) BETWEEN 1 AND 50 AND tag = btrim(tag) AND tag !~ '[[:cntrl:],]'),
    PRIMARY KEY (query_id, tag)
);
CREATE INDEX llm_prompt_tags_of_tag ON llm_prompt_tags (tag);

CREATE TABLE llm_dismissed_names (
    project_id   INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    -- what spellings of one name have in common
    name_key     TEXT        NOT NULL CHECK (length(name_key) BETWEEN 1 AND 255),
    name         TEXT        NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    dismissed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, name_key)
);
