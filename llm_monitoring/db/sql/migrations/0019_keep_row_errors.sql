-- What a run left alone so that the rest could go on, also on other machines; and the figures that a chunk really wrote.
ALTER TABLE llm_monitoring_analysis_runs ADD COLUMN row_errors JSONB NOT NULL DEFAULT '[]';
COMMENT ON COLUMN llm_monitoring_analysis_runs.row_errors IS 'the rows that the run left alone: stage, row, code, message';

ALTER TABLE llm_monitoring_chunks
    ADD COLUMN row_errors   JSONB     NOT NULL DEFAULT '[]',
    ADD COLUMN locked_users INTEGER[] NOT NULL DEFAULT '{}',
    ADD COLUMN unsettled    INTEGER   NOT NULL DEFAULT 0,
    ADD COLUMN figured      INTEGER[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN llm_monitoring_chunks.figured IS 'the projects with figures of the day that its owner has written';
