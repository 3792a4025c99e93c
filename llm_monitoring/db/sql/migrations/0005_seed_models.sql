-- First models and prices, read on 2026-11-23 from the genai-prices 0.2.3 data set. What a registry already holds wins.
SELECT set_config('llm_monitoring.changed_by', 'migration', TRUE),
       set_config('llm_monitoring.reason', 'first models and prices (genai-prices 0.2.3, read 2026-11-23)', TRUE);
INSERT INTO llm_model_registry (llm_provider, model_id, model_display_name, max_tokens, is_available, reasoning_effort, max_searches_per_call,
                                cost_per_1m_input_tokens, cost_per_1m_output_tokens, cost_per_1m_cached_input_tokens,
                                cost_per_1m_cache_write_tokens, cost_per_1k_searches, price_tiers)
VALUES
    ('openai', 'gpt-chat-latest', 'GPT-Chat Latest', NULL, FALSE, NULL, NULL, 5.0, 30.0, 0.5, NULL, NULL, '[]'),
    ('openai', 'gpt-6.1-sol', 'GPT-6.1 Sol', 1050000, FALSE, NULL, NULL, 2.0, 10.0, 0.1, 2.5, 10.0, '[{"above_input_tokens": 272000, "input": "4.0", "output": "15.0", "cached": "0.2", "cache_write": "5.0"}]'),
    ('openai', 'gpt-6.1-terra', 'GPT-6.1 Terra', 1050000, TRUE, 'low', NULL, 1.0, 5.0, 0.05, 1.25, 10.0, '[{"above_input_tokens": 272000, "input": "2.0", "output": "7.5", "cached": "0.1", "cache_write": "2.5"}]'),
    ('openai', 'gpt-6-luna', 'GPT-6 Luna', 1050000, TRUE, 'low', NULL, 0.1, 0.5, 0.01, 0.125, 10.0, '[{"above_input_tokens": 272000, "input": "0.2", "output": "0.75", "cached": "0.02", "cache_write": "0.25"}]'),
    ('openai', 'gpt-5.6-terra', 'GPT-5.6 Terra', 1050000, FALSE, NULL, NULL, 2.0, 12.0, 0.2, 2.5, 10.0, '[{"above_input_tokens": 272000, "input": "4.0", "output": "18.0", "cached": "0.4", "cache_write": "5.0"}]'),
    ('openai', 'gpt-5.6-luna', 'GPT-5.6 Luna', 1050000, FALSE, NULL, NULL, 0.2, 1.2, 0.02, 0.25, 10.0, '[{"above_input_tokens": 272000, "input": "0.4", "output": "1.8", "cached": "0.04", "cache_write": "0.5"}]'),
    ('openai', 'gpt-5.5', 'GPT-5.5', 1000000, FALSE, NULL, NULL, 5.0, 30.0, 0.5, NULL, 10.0, '[{"above_input_tokens": 272000, "input": "10.0", "output": "45.0", "cached": "1.0"}]'),
    ('openai', 'gpt-5.4-mini', 'GPT-5.4 Mini', 400000, FALSE, NULL, NULL, 0.75, 4.5, 0.075, NULL, 10.0, '[]'),
    ('anthropic', 'claude-opus-5-5', 'Claude Opus 5 5', 1000000, FALSE, NULL, NULL, 4.0, 20.0, 0.2, 5.0, 10.0, '[]'),
    ('anthropic', 'claude-sonnet-5-5', 'Claude Sonnet 5 5', 1000000, TRUE, NULL, NULL, 2.0, 10.0, 0.1, 2.5, 10.0, '[]'),
    ('anthropic', 'claude-haiku-5-5', 'Claude Haiku 5 5', 1000000, TRUE, NULL, NULL, 0.1, 0.5, 0.01, 0.125, 10.0, '[{"above_input_tokens": 100000, "input": "0.5", "output": "2.5", "cached": "0.05", "cache_write": "0.625"}]'),
    ('anthropic', 'claude-sonnet-4-6', 'Claude Sonnet 4 6', 1000000, FALSE, NULL, NULL, 3.0, 15.0, 0.3, 3.75, 10.0, '[]'),
    ('anthropic', 'claude-haiku-4-5', 'Claude Haiku 4 5', 200000, FALSE, NULL, NULL, 1.0, 5.0, 0.1, 1.25, 10.0, '[]'),
    ('google', 'gemini-4-argon', 'Gemini 4 Argon', 1048576, FALSE, NULL, NULL, 2.0, 10.0, 0.1, NULL, 14.0, '[]'),
    ('google', 'gemini-3.8-flash', 'Gemini 3.8 Flash', 1000000, TRUE, 'low', NULL, 0.75, 3.75, 0.075, NULL, 14.0, '[]'),
    ('google', 'gemini-3.5-flash-lite', 'Gemini 3.5 Flash Lite', 1000000, TRUE, 'low', NULL, 0.3, 2.5, 0.03, NULL, 14.0, '[]'),
    ('google', 'gemini-3.1-pro-preview', 'Gemini 3.1 Pro Preview', NULL, FALSE, NULL, NULL, 2.0, 12.0, 0.2, NULL, 14.0, '[{"above_input_tokens": 200000, "input": "4.0", "output": "18.0", "cached": "0.4"}]'),
    ('perplexity', 'perplexity/sonar', 'Sonar', NULL, TRUE, NULL, 5, 0.25, 2.5, 0.0625, NULL, 2.5, '[]')
ON CONFLICT (llm_provider, model_id) DO NOTHING;

UPDATE llm_model_registry r SET is_current = TRUE
WHERE (llm_provider, model_id) IN (('openai', 'gpt-6.1-terra'), ('anthropic', 'claude-sonnet-5-5'), ('google', 'gemini-3.8-flash'), ('perplexity', 'perplexity/sonar'))
  AND is_available AND coalesce(cost_per_1m_input_tokens, 0) > 0 AND coalesce(cost_per_1m_output_tokens, 0) > 0
  AND NOT EXISTS (SELECT FROM llm_model_registry c WHERE c.llm_provider = r.llm_provider AND c.is_current);
SELECT set_config('llm_monitoring.changed_by', '', TRUE), set_config('llm_monitoring.reason', '', TRUE);
