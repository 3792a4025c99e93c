-- How grave a line of the digest is, so that a target can show and filter it.
ALTER TABLE llm_monitoring_news
    ADD COLUMN severity TEXT NOT NULL DEFAULT 'warning' CHECK (severity IN ('info', 'success', 'warning', 'failure'));
