-- name: callable_models
-- Every approved model, the current ones first, then the cheapest.
SELECT *, llm_dated_prices(llm_provider, model_id) AS dated_prices FROM llm_model_registry
WHERE is_available AND retired_at IS NULL
ORDER BY is_current DESC, cost_per_1m_input_tokens + cost_per_1m_output_tokens, llm_provider, model_id COLLATE "C";

-- name: model
-- One model by name, whatever its state.
SELECT *, llm_dated_prices(llm_provider, model_id) AS dated_prices FROM llm_model_registry
WHERE llm_provider = %(provider)s AND model_id = %(model_id)s;

-- name: overview
-- Every column of every model, of one provider or of all.
SELECT *, llm_dated_prices(llm_provider, model_id) AS dated_prices FROM llm_model_registry
WHERE %(provider)s::text IS NULL OR llm_provider = %(provider)s
ORDER BY llm_provider, is_current DESC, is_available DESC, model_id COLLATE "C";

-- name: mark_counted
-- Mark the finished run, and dead ones before it, as counted in the models' totals; return those not counted before.
UPDATE llm_monitoring_analysis_runs SET usage_counted_at = now()
WHERE usage_counted_at IS NULL AND (id = %(run_id)s OR status IN ('dead', 'crashed'))
RETURNING id;

-- name: mark_batches_counted
-- Mark collected batches as counted in the models' totals; return those not counted before.
UPDATE llm_batches SET usage_counted_at = now()
WHERE usage_counted_at IS NULL AND state IN ('collected', 'forgotten')
RETURNING id;

-- name: usage_of
-- The calls, tokens and cost of these runs and batches, by model; calls of a batch count once it is collected.
SELECT llm_provider, model_id, count(*) AS calls, sum(charged_usd) AS cost,
       coalesce(sum(input_tokens::bigint + output_tokens), 0) AS tokens
FROM llm_call_attempts
WHERE (run_id = ANY (%(run_ids)s::bigint[]) AND batch_id IS NULL OR batch_id = ANY (%(batch_ids)s::uuid[]))
  AND state IN ('settled', 'unknown')
GROUP BY llm_provider, model_id;

-- name: count_usage
-- Add calls to a model's own totals.
UPDATE llm_model_registry
SET last_used_at          = now(),
    total_queries         = coalesce(total_queries, 0) + %(calls)s,
    total_tokens_consumed = coalesce(total_tokens_consumed, 0) + %(tokens)s,
    total_cost            = coalesce(total_cost, 0) + %(cost)s
WHERE llm_provider = %(llm_provider)s AND model_id = %(model_id)s;

-- name: adopt_due_prices
-- Copy the prices that an admin entered for a day into the registry's columns, once that day has begun.
UPDATE llm_model_registry m
SET cost_per_1m_input_tokens          = p.cost_per_1m_input_tokens,
    cost_per_1m_output_tokens         = p.cost_per_1m_output_tokens,
    cost_per_1m_cached_input_tokens   = p.cost_per_1m_cached_input_tokens,
    cost_per_1m_cache_write_tokens    = p.cost_per_1m_cache_write_tokens,
    cost_per_1m_cache_write_1h_tokens = p.cost_per_1m_cache_write_1h_tokens,
    cost_per_1k_searches              = p.cost_per_1k_searches,
    cost_per_request                  = p.cost_per_request,
    priority_factor                   = p.priority_factor,
    batch_factor                      = p.batch_factor,
    flex_factor                       = p.flex_factor,
    price_tiers                       = p.price_tiers,
    priced_on                         = p.valid_from,
    updated_at                        = now()
FROM (SELECT DISTINCT ON (llm_provider, model_id) * FROM llm_model_prices
      WHERE source = 'admin' AND valid_from <= %(day)s
      ORDER BY llm_provider, model_id, valid_from DESC) p
WHERE m.llm_provider = p.llm_provider AND m.model_id = p.model_id
  AND p.valid_from > coalesce(m.priced_on, '-infinity')
  AND coalesce(m.cost_per_1m_input_tokens, 0) > 0 AND coalesce(m.cost_per_1m_output_tokens, 0) > 0;
