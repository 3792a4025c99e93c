-- name: set_author
-- Name the author of this transaction's changes and the reason, for the changelog.
SELECT set_config('llm_monitoring.changed_by', %(by)s, TRUE), set_config('llm_monitoring.reason', %(reason)s, TRUE);

-- name: lock_provider
-- A provider's models, locked in a fixed order, so that changes of several models wait for each other.
SELECT *, llm_dated_prices(llm_provider, model_id) AS dated_prices FROM llm_model_registry
WHERE llm_provider = %(provider)s ORDER BY id FOR UPDATE;

-- name: find
-- Models with this id, given as `model` or as `provider/model`.
SELECT *, llm_dated_prices(llm_provider, model_id) AS dated_prices FROM llm_model_registry
WHERE (%(provider)s::text IS NULL OR llm_provider = %(provider)s)
  AND (model_id = %(model_id)s OR llm_provider || '/' || model_id = %(model_id)s)
ORDER BY id;

-- name: approve
-- Approve a model.
UPDATE llm_model_registry
SET is_available = TRUE, rejected_at = NULL, retired_at = NULL,
    reasoning_effort = coalesce(%(reasoning_effort)s, reasoning_effort), updated_at = now()
WHERE id = %(id)s;

-- name: reject
-- An admin rejects a model; its validation no longer counts.
UPDATE llm_model_registry
SET is_available = FALSE, rejected_at = coalesce(rejected_at, now()), validated_at = NULL, updated_at = now()
WHERE id = %(id)s;

-- name: retire
-- Retire a model.
UPDATE llm_model_registry
SET is_available = FALSE, retired_at = coalesce(retired_at, now()), validated_at = NULL, updated_at = now()
WHERE id = %(id)s;

-- name: set_prices
-- Replace a model's prices and fees.
UPDATE llm_model_registry
SET cost_per_1m_input_tokens          = %(cost_per_1m_input_tokens)s,
    cost_per_1m_output_tokens         = %(cost_per_1m_output_tokens)s,
    cost_per_1m_cached_input_tokens   = %(cost_per_1m_cached_input_tokens)s,
    cost_per_1m_cache_write_tokens    = %(cost_per_1m_cache_write_tokens)s,
    cost_per_1m_cache_write_1h_tokens = %(cost_per_1m_cache_write_1h_tokens)s,
    cost_per_1k_searches              = %(cost_per_1k_searches)s,
    cost_per_request                  = %(cost_per_request)s,
    priority_factor                   = %(priority_factor)s,
    batch_factor                      = %(batch_factor)s,
    flex_factor                       = %(flex_factor)s,
    max_searches_per_call             = %(max_searches_per_call)s,
    price_tiers                       = %(price_tiers)s,
    priced_on                         = coalesce(%(priced_on)s, priced_on),
    updated_at                        = now()
WHERE id = %(id)s;

-- name: set_dated_price
-- Store the price that an admin decided for a day; it replaces an earlier one for the same day.
INSERT INTO llm_model_prices (llm_provider, model_id, valid_from, source, detail, cost_per_1m_input_tokens,
                              cost_per_1m_output_tokens, cost_per_1m_cached_input_tokens, cost_per_1m_cache_write_tokens,
                              cost_per_1m_cache_write_1h_tokens, cost_per_1k_searches, cost_per_request, priority_factor,
                              batch_factor, flex_factor, price_tiers)
VALUES (%(llm_provider)s, %(model_id)s, %(valid_from)s, 'admin', %(detail)s, %(cost_per_1m_input_tokens)s,
        %(cost_per_1m_output_tokens)s, %(cost_per_1m_cached_input_tokens)s, %(cost_per_1m_cache_write_tokens)s,
        %(cost_per_1m_cache_write_1h_tokens)s, %(cost_per_1k_searches)s, %(cost_per_request)s, %(priority_factor)s,
        %(batch_factor)s, %(flex_factor)s, %(price_tiers)s)
ON CONFLICT (llm_provider, model_id, valid_from, source) DO UPDATE
SET detail                            = excluded.detail,
    cost_per_1m_input_tokens          = excluded.cost_per_1m_input_tokens,
    cost_per_1m_output_tokens         = excluded.cost_per_1m_output_tokens,
    cost_per_1m_cached_input_tokens   = excluded.cost_per_1m_cached_input_tokens,
    cost_per_1m_cache_write_tokens    = excluded.cost_per_1m_cache_write_tokens,
    cost_per_1m_cache_write_1h_tokens = excluded.cost_per_1m_cache_write_1h_tokens,
    cost_per_1k_searches              = excluded.cost_per_1k_searches,
    cost_per_request                  = excluded.cost_per_request,
    priority_factor                   = excluded.priority_factor,
    batch_factor                      = excluded.batch_factor,
    flex_factor                       = excluded.flex_factor,
    price_tiers                       = excluded.price_tiers,
    entered_at                        = clock_timestamp();

-- name: mark_validated
-- Record that a model answered a real question.
UPDATE llm_model_registry SET validated_at = now(), updated_at = now() WHERE id = %(id)s;

-- name: unset_current
-- Clear the provider's current model.
UPDATE llm_model_registry SET is_current = FALSE, updated_at = now()
WHERE llm_provider = %(provider)s AND is_current AND id <> %(id)s;

-- name: set_current
-- Make a model the current one.
UPDATE llm_model_registry SET is_current = TRUE, updated_at = now() WHERE id = %(id)s;

-- name: history
-- The latest changes of the registry, newest first; as text, since a driver reads JSON's numbers as floats.
SELECT id, changed_at, llm_provider, model_id, changed_by, reason, changes::text AS changes
FROM llm_model_changelog
WHERE (%(provider)s::text IS NULL OR llm_provider = %(provider)s)
  AND (%(model_id)s::text IS NULL OR model_id = %(model_id)s)
ORDER BY id DESC
LIMIT %(limit)s;
