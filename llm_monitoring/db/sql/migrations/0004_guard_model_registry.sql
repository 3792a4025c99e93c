-- The registry is the one source of prices: repaired by rule, every change logged, the rules kept by the database.
ALTER TABLE llm_model_registry
    ALTER COLUMN cost_per_1m_input_tokens TYPE NUMERIC(18, 10),
    ALTER COLUMN cost_per_1m_output_tokens TYPE NUMERIC(18, 10),
    ALTER COLUMN total_cost TYPE NUMERIC(18, 10),
    ALTER COLUMN is_available SET DEFAULT FALSE,
    ADD COLUMN cost_per_1m_cached_input_tokens     NUMERIC(18, 10),
    ADD COLUMN cost_per_1m_cache_write_tokens      NUMERIC(18, 10),
    ADD COLUMN cost_per_1k_searches                NUMERIC(18, 10),
    ADD COLUMN cost_per_request                    NUMERIC(18, 10) NOT NULL DEFAULT 0,
    ADD COLUMN price_tiers                         JSONB       NOT NULL DEFAULT '[]',
    ADD COLUMN max_searches_per_call               INTEGER CHECK (max_searches_per_call > 0),
    ADD COLUMN reasoning_effort                    TEXT,
    ADD COLUMN suggested_cost_per_1m_input_tokens  NUMERIC(18, 10),
    ADD COLUMN suggested_cost_per_1m_output_tokens NUMERIC(18, 10),
    ADD COLUMN suggested_cost_per_1k_searches      NUMERIC(18, 10),
    ADD COLUMN suggested_source                    TEXT,
    ADD COLUMN suggested_at                        DATE,
    ADD COLUMN last_seen_at                        TIMESTAMPTZ,
    ADD COLUMN missing_checks                      INTEGER     NOT NULL DEFAULT 0,
    ADD COLUMN going_announced_at                  TIMESTAMPTZ,
    ADD COLUMN retires_at                          TIMESTAMPTZ,
    ADD COLUMN retired_at                          TIMESTAMPTZ,
    ADD COLUMN validated_at                        TIMESTAMPTZ;

CREATE TABLE llm_model_changelog (
    id           BIGSERIAL PRIMARY KEY,
    llm_provider VARCHAR(50)  NOT NULL,
    model_id     VARCHAR(100) NOT NULL,
    changed_at   TIMESTAMPTZ  NOT NULL DEFAULT clock_timestamp(),
    changed_by   TEXT         NOT NULL,
    reason       TEXT         NOT NULL,
    changes      JSONB        NOT NULL
);
CREATE INDEX llm_model_changelog_model ON llm_model_changelog (llm_provider, model_id, id);

-- Written by the database itself, so that a change made by hand in SQL is kept as well as one made by a command.
CREATE FUNCTION llm_model_registry_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    watched CONSTANT TEXT[] := ARRAY ['is_current', 'is_available', 'cost_per_1m_input_tokens', 'cost_per_1m_output_tokens',
        'cost_per_1m_cached_input_tokens', 'cost_per_1m_cache_write_tokens', 'cost_per_1k_searches', 'cost_per_request',
        'price_tiers', 'max_searches_per_call', 'max_output_tokens', 'reasoning_effort', 'retired_at', 'retires_at',
        'validated_at'];
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

CREATE TRIGGER llm_model_registry_log AFTER INSERT OR UPDATE ON llm_model_registry
    FOR EACH ROW EXECUTE FUNCTION llm_model_registry_log();

-- Repair, in this order: a current model needs a price; of several current ones the last used stays, then the newest.
SELECT set_config('llm_monitoring.changed_by', 'migration', TRUE),
       set_config('llm_monitoring.reason', 'a current model must have prices above zero', TRUE);
UPDATE llm_model_registry SET is_current = FALSE
WHERE is_current IS NULL
   OR (is_current AND NOT (coalesce(cost_per_1m_input_tokens, 0) > 0 AND coalesce(cost_per_1m_output_tokens, 0) > 0));
SELECT set_config('llm_monitoring.reason', 'a current model is available', TRUE);
UPDATE llm_model_registry SET is_available = coalesce(is_current, FALSE)
WHERE is_available IS NULL OR (is_current AND NOT is_available);
SELECT set_config('llm_monitoring.reason', 'one current model a provider: the last used, then the newest', TRUE);
UPDATE llm_model_registry SET is_current = FALSE
WHERE is_current AND id NOT IN (
    SELECT DISTINCT ON (llm_provider) id FROM llm_model_registry WHERE is_current
    ORDER BY llm_provider, last_used_at DESC NULLS LAST, detected_at DESC NULLS LAST, id DESC);
UPDATE llm_model_registry SET cost_per_1m_input_tokens = NULL WHERE cost_per_1m_input_tokens < 0;
UPDATE llm_model_registry SET cost_per_1m_output_tokens = NULL WHERE cost_per_1m_output_tokens < 0;
SELECT set_config('llm_monitoring.changed_by', '', TRUE), set_config('llm_monitoring.reason', '', TRUE);

ALTER TABLE llm_model_registry
    ALTER COLUMN is_current SET NOT NULL,
    ALTER COLUMN is_available SET NOT NULL,
    ADD CONSTRAINT llm_model_registry_current_is_callable CHECK (
        NOT is_current OR (is_available AND retired_at IS NULL AND coalesce(cost_per_1m_input_tokens > 0, FALSE)
                               AND coalesce(cost_per_1m_output_tokens > 0, FALSE))),
    ADD CONSTRAINT llm_model_registry_prices_not_negative CHECK (
        least(cost_per_1m_input_tokens, cost_per_1m_output_tokens, cost_per_1m_cached_input_tokens,
              cost_per_1m_cache_write_tokens, cost_per_1k_searches, cost_per_request) >= 0);
CREATE UNIQUE INDEX llm_model_registry_one_current ON llm_model_registry (llm_provider) WHERE is_current;
