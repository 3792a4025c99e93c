-- A call looks for the doubtful ones of its task before it goes out; few calls are doubtful.
CREATE INDEX llm_call_attempts_doubtful ON llm_call_attempts (query_id, analysis_date) WHERE state = 'unknown';
