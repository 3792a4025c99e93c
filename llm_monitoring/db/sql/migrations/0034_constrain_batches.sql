-- A batch that cannot be read would end the collection of all others: its provider is known, and its times are within
-- what a program can hold.
ALTER TABLE llm_batches
    ADD CONSTRAINT llm_batches_known_provider
        CHECK (llm_provider IN ('openai', 'anthropic', 'google', 'perplexity')),
    ADD CONSTRAINT llm_batches_readable_times
        CHECK (LEAST(opened_at, posted_at, created_remote_at, expires_at, looked_at, absent_at, cancelled_at, ended_at,
                     usage_counted_at) >= '0001-01-01 00:00+00'
               AND GREATEST(opened_at, posted_at, created_remote_at, expires_at, looked_at, absent_at, cancelled_at, ended_at,
                            usage_counted_at) <= '9999-12-31 23:59+00');
