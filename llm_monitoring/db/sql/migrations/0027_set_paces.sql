-- The pace of a project, and the mode in which a day was asked: a trend is marked where it changes.
ALTER TABLE llm_monitoring_projects
    ADD COLUMN pace TEXT NOT NULL DEFAULT 'punctual'
        CONSTRAINT llm_monitoring_projects_known_pace CHECK (pace IN ('prompt', 'punctual'));
COMMENT ON COLUMN llm_monitoring_projects.pace IS 'prompt: every call at once. punctual: cheaper where LLM_ECONOMY allows it, and what is late at the full price within the same run';

ALTER TABLE llm_monitoring_snapshots
    ADD COLUMN mode         TEXT    NOT NULL DEFAULT 'standard' CHECK (mode IN ('standard', 'flex', 'batch')),
    ADD COLUMN mode_changed BOOLEAN NOT NULL DEFAULT FALSE;
COMMENT ON COLUMN llm_monitoring_snapshots.mode IS 'how most answers of the day were asked';
COMMENT ON COLUMN llm_monitoring_snapshots.mode_changed IS 'whether it is another one than on the last day with answers, so that figures may differ for that alone';
