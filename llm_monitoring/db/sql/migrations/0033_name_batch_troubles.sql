-- Why a batch cannot be collected, as a code; `error` keeps the words of the provider.
ALTER TABLE llm_batches
    ADD COLUMN trouble TEXT
        CONSTRAINT llm_batches_known_trouble
            CHECK (trouble IN ('not_known', 'provider_error', 'key_unusable', 'not_ended', 'in_doubt')),
    ADD COLUMN other_key BOOLEAN NOT NULL DEFAULT FALSE;
COMMENT ON COLUMN llm_batches.trouble IS 'what the last look at it found in its way; NULL: nothing';
COMMENT ON COLUMN llm_batches.other_key IS 'whether the key was another one than it was made with when the trouble was found';
