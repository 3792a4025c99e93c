-- name: callable_models
-- Every approved model, the current ones first, then the cheapest.
SELECT llm_provider, model_id, model_display_name, is_current, max_output_tokens, reasoning_effort, max_searches_per_call,
       cost_per_1m_input_tokens, cost_per_1m_output_tokens, cost_per_1m_cached_input_tokens,
       cost_per_1m_cache_write_tokens, cost_per_1k_searches, cost_per_request, price_tiers
FROM llm_model_registry
WHERE is_available AND retired_at IS NULL
ORDER BY is_current DESC, cost_per_1m_input_tokens + cost_per_1m_output_tokens, llm_provider, model_id COLLATE "C";

-- name: model
-- One model by name, whatever its state.
SELECT llm_provider, model_id, model_display_name, is_current, max_output_tokens, reasoning_effort, max_searches_per_call,
       cost_per_1m_input_tokens, cost_per_1m_output_tokens, cost_per_1m_cached_input_tokens,
       cost_per_1m_cache_write_tokens, cost_per_1k_searches, cost_per_request, price_tiers
FROM llm_model_registry
WHERE llm_provider = %(provider)s AND model_id = %(model_id)s;

-- name: overview
-- Every model with all that is known of it, of one provider or of all.
SELECT * FROM llm_model_registry
WHERE %(provider)s::text IS NULL OR llm_provider = %(provider)s
ORDER BY llm_provider, is_current DESC, is_available DESC, model_id COLLATE "C";

-- name: count_usage
-- Add the calls of a finished run, and of runs that died before it, to the models' own totals; each run once.
WITH counted AS (
    UPDATE llm_monitoring_analysis_runs SET usage_counted_at = now()
    WHERE usage_counted_at IS NULL AND (id = %(run_id)s OR status IN ('dead', 'crashed'))
    RETURNING id
)
UPDATE llm_model_registry m
SET last_used_at          = now(),
    total_queries         = coalesce(m.total_queries, 0) + used.calls,
    total_tokens_consumed = coalesce(m.total_tokens_consumed, 0) + used.tokens,
    total_cost            = coalesce(m.total_cost, 0) + used.cost
FROM (SELECT llm_provider, model_id, count(*) AS calls, sum(charged_usd) AS cost,
             coalesce(sum(input_tokens + output_tokens), 0) AS tokens
      FROM llm_call_attempts WHERE run_id IN (SELECT id FROM counted) AND state IN ('settled', 'unknown')
      GROUP BY llm_provider, model_id) used
WHERE m.llm_provider = used.llm_provider AND m.model_id = used.model_id;
