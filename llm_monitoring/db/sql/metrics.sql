-- name: observations
-- The valid answers of a period, as the figures read them, in a stable order.
SELECT query_id, llm_provider, coalesce(model_id, model_used, '') AS model_id, analysis_date, sample, branded,
       coalesce(brand_mentioned, FALSE) AS brand_mentioned, competitors_mentioned, position_in_list,
       competitor_positions, brand_cited, sentiment, sentiment_score
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND analysis_date BETWEEN %(first)s AND %(last)s AND unread_reason IS NULL
ORDER BY analysis_date, llm_provider, query_id, sample;

-- name: totals
-- What a period's calls cost and how many tasks failed, by provider.
SELECT llm_provider, sum(failed_queries) AS failed, coalesce(sum(total_cost_usd), 0) AS cost_usd
FROM llm_monitoring_snapshots
WHERE project_id = %(project_id)s AND snapshot_date BETWEEN %(first)s AND %(last)s
GROUP BY llm_provider;

-- name: read_otherwise
-- How many answers of the days given were read with other names or rules, and how many of these have their text.
SELECT count(*) AS answers, count(*) FILTER (WHERE full_response <> '') AS readable
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND rules_fingerprint IS DISTINCT FROM %(fingerprint)s
  AND (analysis_date BETWEEN %(first)s AND %(last)s OR analysis_date BETWEEN %(compare_first)s AND %(compare_last)s);
