-- Answers that could not be analysed are kept unread until they can be; figures count them apart.
ALTER TABLE llm_monitoring_results ADD COLUMN unread_reason TEXT;
COMMENT ON COLUMN llm_monitoring_results.unread_reason IS 'why the answer is not analysed yet, a code; NULL once it is';
CREATE INDEX llm_monitoring_results_unread ON llm_monitoring_results (id) WHERE unread_reason IS NOT NULL;

ALTER TABLE llm_monitoring_snapshots ADD COLUMN unread_queries INTEGER NOT NULL DEFAULT 0 CHECK (unread_queries >= 0);
COMMENT ON COLUMN llm_monitoring_snapshots.unread_queries IS 'answers that are not analysed yet, in no other figure of the row';
