-- What the weekly check and an admin's review keep: whole suggestions, the mark of a check, a rejection with its author.
ALTER TABLE llm_model_registry
    ADD COLUMN suggested_cost_per_1m_cached_input_tokens NUMERIC(18, 10),
    ADD COLUMN suggested_cost_per_1m_cache_write_tokens  NUMERIC(18, 10),
    ADD COLUMN suggested_price_tiers                     JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN lifecycle                                 TEXT,
    ADD COLUMN last_checked_at                           TIMESTAMPTZ,
    ADD COLUMN rejected_at                               TIMESTAMPTZ,
    ADD CONSTRAINT llm_model_registry_rejected_is_not_available CHECK (rejected_at IS NULL OR NOT is_available);
COMMENT ON COLUMN llm_model_registry.last_checked_at IS 'the last check of its provider that succeeded, whether it listed the model or not';
COMMENT ON COLUMN llm_model_registry.suggested_at IS 'the day on which the suggested prices were first read in this form';

CREATE OR REPLACE FUNCTION llm_model_registry_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    watched CONSTANT TEXT[] := ARRAY ['is_current', 'is_available', 'cost_per_1m_input_tokens', 'cost_per_1m_output_tokens',
        'cost_per_1m_cached_input_tokens', 'cost_per_1m_cache_write_tokens', 'cost_per_1k_searches', 'cost_per_request',
        'price_tiers', 'max_searches_per_call', 'max_output_tokens', 'reasoning_effort', 'rejected_at', 'retired_at',
        'retires_at', 'validated_at'];
    before_row JSONB := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ELSE '{}' END;
    after_row  JSONB := to_jsonb(NEW);
    diff       JSONB;
BEGIN
    SELECT jsonb_object_agg(name, jsonb_build_array(before_row -> name, after_row -> name)) INTO diff
    FROM unnest(watched) AS name
    WHERE (before_row -> name) IS DISTINCT FROM (after_row -> name)
      AND (TG_OP = 'UPDATE' OR after_row -> name NOT IN ('null', '[]'));
    IF diff IS NOT NULL THEN
        INSERT INTO llm_model_changelog (llm_provider, model_id, changed_by, reason, changes)
        VALUES (NEW.llm_provider, NEW.model_id,
                coalesce(nullif(current_setting('llm_monitoring.changed_by', TRUE), ''), 'sql:' || session_user),
                coalesce(nullif(current_setting('llm_monitoring.reason', TRUE), ''), lower(TG_OP)), diff);
    END IF;
    RETURN NULL;
END $$;
