-- The priority tier of two models costs twice the price that they have had since 30 July; the factor of one was that of
-- the price before. Only where a registry still holds these prices and what was entered with them.
SELECT set_config('llm_monitoring.changed_by', 'migration', TRUE),
       set_config('llm_monitoring.reason', 'the priority tier at twice the present price (genai-prices 0.2.3)', TRUE);
UPDATE llm_model_registry r
SET priority_factor = 2
FROM (VALUES ('gpt-5.6-terra', 2.0, 1.6), ('gpt-5.6-luna', 0.2, NULL)) AS first (model_id, input, factor)
WHERE r.llm_provider = 'openai' AND r.model_id = first.model_id AND r.cost_per_1m_input_tokens = first.input
  AND r.priority_factor IS NOT DISTINCT FROM first.factor;
SELECT set_config('llm_monitoring.changed_by', '', TRUE), set_config('llm_monitoring.reason', '', TRUE);
