-- name: add_model
-- Register a model, switched off and without a price; a registered model does not change.
INSERT INTO llm_model_registry (llm_provider, model_id, model_display_name, is_current, is_available,
                                cost_per_1m_input_tokens, cost_per_1m_output_tokens, max_tokens, max_output_tokens,
                                lifecycle, retires_at, last_seen_at, last_checked_at)
VALUES (%(provider)s, %(model_id)s, %(display_name)s, FALSE, FALSE, 0.0, 0.0, %(max_input_tokens)s,
        %(max_output_tokens)s, %(lifecycle)s, %(retires_at)s, %(seen_at)s, %(seen_at)s)
ON CONFLICT (llm_provider, model_id) DO NOTHING
RETURNING id;

-- name: mark_seen
-- The provider lists the model; its end date replaces the known one if the list has `lists_end_dates`.
UPDATE llm_model_registry
SET last_seen_at = %(now)s, last_checked_at = %(now)s, missing_checks = 0,
    lifecycle    = coalesce(%(lifecycle)s, lifecycle),
    retires_at   = CASE WHEN %(lists_end_dates)s THEN %(retires_at)s ELSE retires_at END,
    max_tokens   = coalesce(max_tokens, %(max_input_tokens)s)
WHERE llm_provider = %(provider)s AND model_id = %(model_id)s;

-- name: mark_missing
-- The provider answered and does not list the model.
UPDATE llm_model_registry SET missing_checks = missing_checks + 1, last_checked_at = %(now)s
WHERE llm_provider = %(provider)s AND model_id = %(model_id)s;

-- name: mark_announced
-- Mark these models as announced to retire, and clear the mark of those that stay.
UPDATE llm_model_registry
SET going_announced_at = CASE WHEN model_id = ANY (%(retiring)s) THEN coalesce(going_announced_at, %(now)s) END
WHERE llm_provider = %(provider)s AND (going_announced_at IS NOT NULL) <> (model_id = ANY (%(retiring)s));

-- name: store_suggestion
-- Store the suggested price of a model, for an admin to decide on.
UPDATE llm_model_registry
SET suggested_cost_per_1m_input_tokens          = %(cost_per_1m_input_tokens)s,
    suggested_cost_per_1m_output_tokens         = %(cost_per_1m_output_tokens)s,
    suggested_cost_per_1m_cached_input_tokens   = %(cost_per_1m_cached_input_tokens)s,
    suggested_cost_per_1m_cache_write_tokens    = %(cost_per_1m_cache_write_tokens)s,
    suggested_cost_per_1m_cache_write_1h_tokens = %(cost_per_1m_cache_write_1h_tokens)s,
    suggested_priority_factor                   = %(priority_factor)s,
    suggested_batch_factor                      = %(batch_factor)s,
    suggested_flex_factor                       = %(flex_factor)s,
    suggested_cost_per_1k_searches              = %(cost_per_1k_searches)s,
    suggested_price_tiers                       = %(price_tiers)s,
    suggested_source                            = %(source)s,
    suggested_at                                = %(day)s
WHERE llm_provider = %(provider)s AND model_id = %(model_id)s
  AND (suggested_cost_per_1m_input_tokens, suggested_cost_per_1m_output_tokens, suggested_cost_per_1m_cached_input_tokens,
       suggested_cost_per_1m_cache_write_tokens, suggested_cost_per_1m_cache_write_1h_tokens, suggested_priority_factor,
       suggested_batch_factor, suggested_flex_factor, suggested_cost_per_1k_searches, suggested_price_tiers, suggested_source)
      IS DISTINCT FROM (%(cost_per_1m_input_tokens)s::numeric, %(cost_per_1m_output_tokens)s::numeric,
                        %(cost_per_1m_cached_input_tokens)s::numeric, %(cost_per_1m_cache_write_tokens)s::numeric,
                        %(cost_per_1m_cache_write_1h_tokens)s::numeric, %(priority_factor)s::numeric,
                        %(batch_factor)s::numeric, %(flex_factor)s::numeric,
                        %(cost_per_1k_searches)s::numeric, %(price_tiers)s::jsonb, %(source)s::text);

-- name: remove_rises
-- Remove the later prices that a price list no longer has; those that have begun stay.
DELETE FROM llm_model_prices
WHERE llm_provider = %(llm_provider)s AND model_id = %(model_id)s AND source IN ('seed', 'library')
  AND valid_from > %(today)s AND NOT valid_from = ANY (%(days)s::date[]);

-- name: store_rise
-- Store a price of a price list with its first day; an identical one stays as it is.
INSERT INTO llm_model_prices (llm_provider, model_id, valid_from, source, detail, cost_per_1m_input_tokens,
                              cost_per_1m_output_tokens, cost_per_1m_cached_input_tokens, cost_per_1m_cache_write_tokens,
                              cost_per_1m_cache_write_1h_tokens, cost_per_1k_searches, cost_per_request, priority_factor,
                              price_tiers, batch_factor, flex_factor)
SELECT new.* FROM (VALUES (
    %(llm_provider)s, %(model_id)s, %(valid_from)s::date, 'library', %(detail)s, %(cost_per_1m_input_tokens)s::numeric,
    %(cost_per_1m_output_tokens)s::numeric, %(cost_per_1m_cached_input_tokens)s::numeric,
    %(cost_per_1m_cache_write_tokens)s::numeric, %(cost_per_1m_cache_write_1h_tokens)s::numeric,
    %(cost_per_1k_searches)s::numeric, %(cost_per_request)s::numeric, %(priority_factor)s::numeric, %(price_tiers)s::jsonb,
    %(batch_factor)s::numeric, %(flex_factor)s::numeric
)) AS new (llm_provider, model_id, valid_from, source, detail, input, output, cached, cache_write, cache_write_1h, searches,
           request, priority, tiers, batch, flex)
WHERE NOT EXISTS (
    SELECT FROM llm_model_prices p
    WHERE p.llm_provider = new.llm_provider AND p.model_id = new.model_id AND p.valid_from = new.valid_from
      AND p.source IN ('seed', 'library')
      AND (p.cost_per_1m_input_tokens, p.cost_per_1m_output_tokens, p.cost_per_1m_cached_input_tokens,
           p.cost_per_1m_cache_write_tokens, p.cost_per_1m_cache_write_1h_tokens, p.cost_per_1k_searches,
           p.cost_per_request, p.priority_factor, p.price_tiers)
          IS NOT DISTINCT FROM (new.input, new.output, new.cached, new.cache_write, new.cache_write_1h, new.searches,
                                new.request, new.priority, new.tiers)
      -- a seeded rise has no factors: the list's are those of the decision before
      AND (p.source = 'seed' OR (p.batch_factor, p.flex_factor) IS NOT DISTINCT FROM (new.batch, new.flex)))
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
