-- The factors of modes that the price list has for a model, for an admin to decide on.
ALTER TABLE llm_model_registry
    ADD COLUMN suggested_batch_factor NUMERIC(18, 10),
    ADD COLUMN suggested_flex_factor  NUMERIC(18, 10);
