-- What millions of rows need: keys that lead with the day, exceptions that are indexed alone, figures apart from texts.

-- A run writes one day: with the day in front all its keys are neighbours, and a day is read without its neighbours.
ALTER TABLE llm_monitoring_results
    DROP CONSTRAINT llm_monitoring_results_task_key,
    ADD CONSTRAINT llm_monitoring_results_task_key UNIQUE (analysis_date, project_id, query_id, llm_provider, sample);
-- A project's history in the order in which reports and exports page through it.
CREATE INDEX llm_monitoring_results_history ON llm_monitoring_results (project_id, analysis_date, id);
DROP INDEX llm_monitoring_results_cell;
-- Deleting a prompt looks for its answers, and deleting a project does so for every prompt.
CREATE INDEX llm_monitoring_results_query ON llm_monitoring_results (query_id);
CREATE INDEX llm_monitoring_failed_tasks_query ON llm_monitoring_failed_tasks (query_id);
CREATE INDEX llm_monitoring_failed_tasks_day ON llm_monitoring_failed_tasks (analysis_date);

-- The ledger grows in the order of time: ranges of pages stand for days and months.
CREATE INDEX llm_call_attempts_days ON llm_call_attempts USING brin (analysis_date, month)
    WITH (pages_per_range = 64, autosummarize = on);
CREATE INDEX llm_call_attempts_over_ceiling ON llm_call_attempts (reserved_at)
    WHERE kind NOT IN ('correction', 'opening') AND charged_usd > ceiling_usd;
CREATE INDEX llm_call_attempts_over_admitted ON llm_call_attempts (reserved_at, id)
    WHERE kind NOT IN ('correction', 'opening') AND coalesce(committed_usd > budget_usd, TRUE);

-- Texts leave the rows of figures, so that storing a sentiment does not write the text again.
ALTER TABLE llm_monitoring_results SET (toast_tuple_target = 1024);

-- A part of a hundred million rows is too many to wait for before statistics and dead rows are looked at.
ALTER TABLE llm_monitoring_results SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.005);
ALTER TABLE llm_call_attempts SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.005);
ALTER TABLE llm_call_receipts SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.01);

ALTER TABLE llm_monitoring_analysis_runs ADD COLUMN usage_counted_at TIMESTAMPTZ;
COMMENT ON COLUMN llm_monitoring_analysis_runs.usage_counted_at IS 'when its calls were added to the models'' own totals';
UPDATE llm_monitoring_analysis_runs SET usage_counted_at = coalesce(finished_at, started_at) WHERE status <> 'running';
