-- name: charged
-- The charges of these attempts so far, by model.
SELECT model_id, sum(charged_usd) AS usd FROM llm_call_attempts WHERE id = ANY (%(ids)s::uuid[]) GROUP BY model_id;
