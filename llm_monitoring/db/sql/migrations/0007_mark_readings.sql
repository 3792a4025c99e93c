-- With which names and rules each answer was read and each day's figures were made.
CREATE TABLE llm_monitoring_rules (
    fingerprint   TEXT PRIMARY KEY,
    rules         JSONB       NOT NULL,
    first_used_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE llm_monitoring_rules IS 'analysis version, brand and competitors, each combination once';

ALTER TABLE llm_monitoring_results ADD COLUMN rules_fingerprint TEXT;
COMMENT ON COLUMN llm_monitoring_results.rules_fingerprint IS 'what the answer was last read with; NULL before this was kept';

ALTER TABLE llm_monitoring_snapshots ADD COLUMN rules_fingerprint TEXT;
COMMENT ON COLUMN llm_monitoring_snapshots.rules_fingerprint IS 'the names and rules of the project when the figures were made';
