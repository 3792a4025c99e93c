-- Prices in time: what begins on a later day, who said so, and with which rates each call was admitted.
ALTER TABLE llm_model_registry
    ADD COLUMN cost_per_1m_cache_write_1h_tokens           NUMERIC(18, 10) CHECK (cost_per_1m_cache_write_1h_tokens >= 0),
    ADD COLUMN priority_factor                             NUMERIC(18, 10) CHECK (priority_factor >= 1),
    ADD COLUMN priced_on                                   DATE,
    ADD COLUMN suggested_cost_per_1m_cache_write_1h_tokens NUMERIC(18, 10),
    ADD COLUMN suggested_priority_factor                   NUMERIC(18, 10);
COMMENT ON COLUMN llm_model_registry.priority_factor IS 'times the price of every token in the priority tier; NULL: unknown, so such a call is charged its ceiling';
COMMENT ON COLUMN llm_model_registry.priced_on IS 'the UTC day from which an admin decided the prices of this row: known rises that began until then count no more; NULL: all of them count';

CREATE TABLE llm_model_prices (
    id                                BIGSERIAL PRIMARY KEY,
    llm_provider                      VARCHAR(50)  NOT NULL,
    model_id                          VARCHAR(100) NOT NULL,
    valid_from                        DATE         NOT NULL,
    source                            TEXT         NOT NULL CHECK (source IN ('admin', 'seed', 'library')),
    detail                            TEXT         NOT NULL DEFAULT '',
    cost_per_1m_input_tokens          NUMERIC(18, 10) NOT NULL CHECK (cost_per_1m_input_tokens > 0),
    cost_per_1m_output_tokens         NUMERIC(18, 10) NOT NULL CHECK (cost_per_1m_output_tokens > 0),
    cost_per_1m_cached_input_tokens   NUMERIC(18, 10),
    cost_per_1m_cache_write_tokens    NUMERIC(18, 10),
    cost_per_1m_cache_write_1h_tokens NUMERIC(18, 10),
    cost_per_1k_searches              NUMERIC(18, 10),
    cost_per_request                  NUMERIC(18, 10) NOT NULL DEFAULT 0,
    priority_factor                   NUMERIC(18, 10) CHECK (priority_factor >= 1),
    price_tiers                       JSONB       NOT NULL DEFAULT '[]',
    entered_at                        TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (llm_provider, model_id, valid_from, source),
    -- NaN is greater than every number
    CHECK (greatest(cost_per_1m_input_tokens, cost_per_1m_output_tokens, cost_per_1m_cached_input_tokens,
                    cost_per_1m_cache_write_tokens, cost_per_1m_cache_write_1h_tokens, cost_per_1k_searches,
                    cost_per_request, priority_factor) < 100000),
    CHECK (least(cost_per_1m_cached_input_tokens, cost_per_1m_cache_write_tokens, cost_per_1m_cache_write_1h_tokens,
                 cost_per_1k_searches, cost_per_request) >= 0)
);
COMMENT ON TABLE llm_model_prices IS 'prices that begin on a day (UTC). admin: decided, replaces what is in llm_model_registry from that day on. seed, library: a known rise, charged at the dearer of the two from that day on until an admin decides';

INSERT INTO llm_model_prices (llm_provider, model_id, valid_from, source, detail, cost_per_1m_input_tokens,
                              cost_per_1m_output_tokens, cost_per_1m_cached_input_tokens, cost_per_1k_searches)
SELECT 'google', model_id, valid_from::date, 'seed', 'genai-prices 0.2.3: google ' || model_id, input, output, cached, 14
FROM (VALUES ('gemini-4-argon', '2026-12-01', 4.0, 20.0, 0.2),
             ('gemini-3.6-flash', '2027-01-01', 1.5, 7.5, 0.15),
             ('gemini-3.7-flash', '2027-01-01', 1.5, 7.5, 0.15),
             ('gemini-3.8-flash', '2027-01-01', 1.5, 7.5, 0.15)) AS rises (model_id, valid_from, input, output, cached);

-- A model's dated prices as JSON text: a driver would read JSON's numbers as floats.
CREATE FUNCTION llm_dated_prices(provider TEXT, model TEXT) RETURNS TEXT LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.valid_from, p.source DESC), '[]')::text
    FROM llm_model_prices p WHERE p.llm_provider = provider AND p.model_id = model
$$;

-- Prices that somebody changes in the registry's own columns follow every price that an admin had entered until today.
CREATE FUNCTION llm_model_registry_priced() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.priced_on IS NOT DISTINCT FROM OLD.priced_on
       AND (NEW.cost_per_1m_input_tokens, NEW.cost_per_1m_output_tokens)
           IS DISTINCT FROM (OLD.cost_per_1m_input_tokens, OLD.cost_per_1m_output_tokens) THEN
        NEW.priced_on := greatest(NEW.priced_on, (
            SELECT max(valid_from) FROM llm_model_prices
            WHERE llm_provider = NEW.llm_provider AND model_id = NEW.model_id AND source = 'admin'
              AND valid_from <= (now() AT TIME ZONE 'UTC')::date));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER llm_model_registry_priced BEFORE UPDATE ON llm_model_registry
    FOR EACH ROW EXECUTE FUNCTION llm_model_registry_priced();

CREATE OR REPLACE FUNCTION llm_model_registry_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    watched CONSTANT TEXT[] := ARRAY ['is_current', 'is_available', 'cost_per_1m_input_tokens', 'cost_per_1m_output_tokens',
        'cost_per_1m_cached_input_tokens', 'cost_per_1m_cache_write_tokens', 'cost_per_1m_cache_write_1h_tokens',
        'cost_per_1k_searches', 'cost_per_request', 'priority_factor', 'price_tiers', 'priced_on', 'max_searches_per_call',
        'max_output_tokens', 'reasoning_effort', 'rejected_at', 'retired_at', 'retires_at', 'validated_at'];
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

CREATE FUNCTION llm_model_prices_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    watched CONSTANT TEXT[] := ARRAY ['cost_per_1m_input_tokens', 'cost_per_1m_output_tokens',
        'cost_per_1m_cached_input_tokens', 'cost_per_1m_cache_write_tokens', 'cost_per_1m_cache_write_1h_tokens',
        'cost_per_1k_searches', 'cost_per_request', 'priority_factor', 'price_tiers'];
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
CREATE TRIGGER llm_model_prices_log AFTER INSERT OR UPDATE OR DELETE ON llm_model_prices
    FOR EACH ROW EXECUTE FUNCTION llm_model_prices_log();

-- Whoever may write the tables need not be able to write the log, or to read the prices of other days.
DO $$
DECLARE
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY ['llm_model_registry_log', 'llm_model_prices_log', 'llm_model_registry_priced'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp', name,
                       current_schema());
    END LOOP;
END $$;

-- What the first models' prices lacked, read from the same list; only where a registry still holds those prices.
SELECT set_config('llm_monitoring.changed_by', 'migration', TRUE),
       set_config('llm_monitoring.reason', 'cache entries of an hour and the priority tier (genai-prices 0.2.3)', TRUE);
UPDATE llm_model_registry r
SET cost_per_1m_cache_write_1h_tokens = first.hour
FROM (VALUES ('claude-opus-5-5', 5.0, 8.0), ('claude-sonnet-5-5', 2.5, 4.0), ('claude-haiku-5-5', 0.125, 0.2),
             ('claude-sonnet-4-6', 3.75, 6.0), ('claude-haiku-4-5', 1.25, 2.0)) AS first (model_id, write, hour)
WHERE r.llm_provider = 'anthropic' AND r.model_id = first.model_id AND r.cost_per_1m_cache_write_tokens = first.write;
UPDATE llm_model_registry r
SET priority_factor = first.factor
FROM (VALUES ('gpt-6.1-sol', 2.0, 2.0), ('gpt-6.1-terra', 1.0, 2.0), ('gpt-6-luna', 0.1, 2.0),
             ('gpt-5.6-terra', 2.0, 1.6), ('gpt-5.5', 5.0, 2.5), ('gpt-5.4-mini', 0.75, 2.0)) AS first (model_id, input, factor)
WHERE r.llm_provider = 'openai' AND r.model_id = first.model_id AND r.cost_per_1m_input_tokens = first.input;
SELECT set_config('llm_monitoring.changed_by', '', TRUE), set_config('llm_monitoring.reason', '', TRUE);

-- The rates that a call was admitted with and sent at; counts as large as a provider may say.
ALTER TABLE llm_call_attempts
    ADD COLUMN rates JSONB,
    ALTER COLUMN input_tokens TYPE BIGINT,
    ALTER COLUMN output_tokens TYPE BIGINT,
    ALTER COLUMN cached_tokens TYPE BIGINT,
    ALTER COLUMN cache_write_tokens TYPE BIGINT,
    ALTER COLUMN reasoning_tokens TYPE BIGINT,
    ALTER COLUMN searches TYPE BIGINT;
COMMENT ON COLUMN llm_call_attempts.rates IS 'the rates in force when the call was admitted and when it was sent, at the dearer: it is settled by them, whatever becomes of the registry';
