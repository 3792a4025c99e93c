-- Modes of calls: what tokens cost in flex and in batches, how each call was asked, the tier that its reply names, and what
-- a cheaper one saved. What was stored before was asked in standard mode.
ALTER TABLE llm_model_registry
    ADD COLUMN batch_factor NUMERIC(18, 10) CHECK (batch_factor > 0 AND batch_factor <= 1),
    ADD COLUMN flex_factor  NUMERIC(18, 10) CHECK (flex_factor > 0 AND flex_factor <= 1);
COMMENT ON COLUMN llm_model_registry.batch_factor IS 'times the price of tokens in a batch, never of searches and requests; NULL: not sold in batches';
COMMENT ON COLUMN llm_model_registry.flex_factor IS 'times the price of tokens in the flex tier, never of searches and requests; NULL: not sold in that tier';

ALTER TABLE llm_model_prices
    ADD COLUMN batch_factor NUMERIC(18, 10) CHECK (batch_factor > 0 AND batch_factor <= 1),
    ADD COLUMN flex_factor  NUMERIC(18, 10) CHECK (flex_factor > 0 AND flex_factor <= 1);
COMMENT ON COLUMN llm_model_prices.flex_factor IS 'as in llm_model_registry; NULL in a row of source seed or library: the list does not say, so that what was decided before holds';

CREATE OR REPLACE FUNCTION llm_model_registry_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    watched CONSTANT TEXT[] := ARRAY ['is_current', 'is_available', 'cost_per_1m_input_tokens', 'cost_per_1m_output_tokens',
        'cost_per_1m_cached_input_tokens', 'cost_per_1m_cache_write_tokens', 'cost_per_1m_cache_write_1h_tokens',
        'cost_per_1k_searches', 'cost_per_request', 'priority_factor', 'batch_factor', 'flex_factor', 'price_tiers',
        'priced_on', 'max_searches_per_call', 'max_output_tokens', 'reasoning_effort', 'rejected_at', 'retired_at',
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

CREATE OR REPLACE FUNCTION llm_model_prices_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    watched CONSTANT TEXT[] := ARRAY ['cost_per_1m_input_tokens', 'cost_per_1m_output_tokens',
        'cost_per_1m_cached_input_tokens', 'cost_per_1m_cache_write_tokens', 'cost_per_1m_cache_write_1h_tokens',
        'cost_per_1k_searches', 'cost_per_request', 'priority_factor', 'batch_factor', 'flex_factor', 'price_tiers'];
    before_row JSONB := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    after_row  JSONB := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    changed    llm_model_prices := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    diff       JSONB;
BEGIN
    SELECT jsonb_object_agg(name || ' from ' || changed.valid_from || ' (' || changed.source || ')',
                            jsonb_build_array(before_row -> name, after_row -> name)) INTO diff
    FROM unnest(watched) AS name
    WHERE coalesce(before_row -> name, 'null') IS DISTINCT FROM coalesce(after_row -> name, 'null')
      AND (TG_OP = 'UPDATE' OR coalesce(before_row -> name, after_row -> name) NOT IN ('null', '[]'));
    IF diff IS NOT NULL THEN
        INSERT INTO llm_model_changelog (llm_provider, model_id, changed_by, reason, changes)
        VALUES (changed.llm_provider, changed.model_id,
                coalesce(nullif(current_setting('llm_monitoring.changed_by', TRUE), ''), 'sql:' || session_user),
                coalesce(nullif(current_setting('llm_monitoring.reason', TRUE), ''), lower(TG_OP)), diff);
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE
    name TEXT;
BEGIN
    -- replacing a function takes these away: whoever may write the tables need not be able to write the log
    FOREACH name IN ARRAY ARRAY ['llm_model_registry_log', 'llm_model_prices_log'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp', name,
                       current_schema());
    END LOOP;
END $$;

-- The modes of the first models, each half the price, where the price list or the provider's page has them; only where a
-- registry still holds the price that they belong to. Gemini's flex tier is on Google's page for these two models.
SELECT set_config('llm_monitoring.changed_by', 'migration', TRUE),
       set_config('llm_monitoring.reason', 'batch and flex at half the price of tokens (genai-prices 0.2.3, Google''s page)', TRUE);
UPDATE llm_model_registry r
SET batch_factor = 0.5, flex_factor = CASE WHEN first.flex THEN 0.5 END
FROM (VALUES ('openai', 'gpt-6.1-sol', 2.0, TRUE), ('openai', 'gpt-6.1-terra', 1.0, TRUE), ('openai', 'gpt-6-luna', 0.1, TRUE),
             ('openai', 'gpt-5.6-terra', 2.0, TRUE), ('openai', 'gpt-5.6-luna', 0.2, TRUE), ('openai', 'gpt-5.5', 5.0, TRUE),
             ('openai', 'gpt-5.4-mini', 0.75, TRUE),
             ('anthropic', 'claude-opus-5-5', 4.0, FALSE), ('anthropic', 'claude-sonnet-5-5', 2.0, FALSE),
             ('anthropic', 'claude-haiku-5-5', 0.1, FALSE), ('anthropic', 'claude-sonnet-4-6', 3.0, FALSE),
             ('anthropic', 'claude-haiku-4-5', 1.0, FALSE),
             ('google', 'gemini-4-argon', 2.0, FALSE), ('google', 'gemini-3.8-flash', 0.75, TRUE),
             ('google', 'gemini-3.5-flash-lite', 0.3, TRUE), ('google', 'gemini-3.1-pro-preview', 2.0, FALSE))
         AS first (provider, model_id, input, flex)
WHERE r.llm_provider = first.provider AND r.model_id = first.model_id AND r.cost_per_1m_input_tokens = first.input;
SELECT set_config('llm_monitoring.changed_by', '', TRUE), set_config('llm_monitoring.reason', '', TRUE);

ALTER TABLE llm_call_attempts
    ADD COLUMN mode         TEXT            NOT NULL DEFAULT 'standard' CHECK (mode IN ('standard', 'flex', 'batch')),
    ADD COLUMN service_tier TEXT,
    ADD COLUMN saved_usd    NUMERIC(18, 10) NOT NULL DEFAULT 0 CHECK (saved_usd >= 0 AND saved_usd < 'NaN');
COMMENT ON COLUMN llm_call_attempts.mode IS 'how the call was asked; a flex call is charged by the tier that its reply names';
COMMENT ON COLUMN llm_call_attempts.service_tier IS 'the tier that the reply names; empty: the standard one, or none';
COMMENT ON COLUMN llm_call_attempts.saved_usd IS 'how much more the same usage costs in standard mode';

ALTER TABLE llm_call_receipts ADD COLUMN service_tier TEXT;
COMMENT ON COLUMN llm_call_receipts.service_tier IS 'the tier that a header of the reply names';

ALTER TABLE llm_monitoring_results
    ADD COLUMN mode TEXT NOT NULL DEFAULT 'standard' CHECK (mode IN ('standard', 'flex', 'batch'));
COMMENT ON COLUMN llm_monitoring_results.mode IS 'how the answer was asked';
