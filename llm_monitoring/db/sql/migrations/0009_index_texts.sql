-- What the end of a daily run looks for: answers that still hold their text, oldest first.
CREATE INDEX llm_monitoring_results_texts ON llm_monitoring_results (created_at)
    WHERE full_response IS NOT NULL AND attempt_id IS NOT NULL;
