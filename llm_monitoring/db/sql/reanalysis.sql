-- name: days
-- A project's days with stale answers that have their text, or with figures made from stale answers.
SELECT r.analysis_date AS day,
       count(*) FILTER (WHERE r.full_response <> '' AND r.rules_fingerprint IS DISTINCT FROM %(fingerprint)s) AS stale
FROM llm_monitoring_results r
WHERE r.project_id = %(project_id)s AND (%(first)s::date IS NULL OR r.analysis_date >= %(first)s)
  AND (%(last)s::date IS NULL OR r.analysis_date <= %(last)s)
GROUP BY r.analysis_date
HAVING count(*) FILTER (WHERE r.full_response <> '' AND r.rules_fingerprint IS DISTINCT FROM %(fingerprint)s) > 0
    OR NOT EXISTS (SELECT FROM llm_monitoring_snapshots s
                   WHERE s.project_id = %(project_id)s AND s.snapshot_date = r.analysis_date
                     AND s.rules_fingerprint = %(fingerprint)s)
ORDER BY r.analysis_date;

-- name: page
-- The next stale answers of a day.
SELECT r.id, r.llm_provider, r.analysis_date, r.query_text, r.full_response, r.citations, r.rules_fingerprint, r.brand_name,
       r.branded, r.brand_mentioned, r.mention_count, r.mention_contexts, r.mention_order, r.position_in_list,
       r.total_items_in_list, r.ranking_kind, r.appears_in_numbered_list, r.competitors_mentioned, r.competitor_positions,
       r.sources, r.brand_cited, r.competitors_cited, r.analysis_version, r.sentiment_status,
       coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         LEFT JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.project_id = %(project_id)s AND r.analysis_date = %(day)s AND r.id > %(after)s AND r.full_response <> ''
  AND r.rules_fingerprint IS DISTINCT FROM %(fingerprint)s
ORDER BY r.id
LIMIT %(page)s;

-- name: unread
-- The next answers that are not analysed yet.
SELECT r.id, r.project_id, r.llm_provider, r.analysis_date, r.query_text, r.full_response, r.citations, r.rules_fingerprint,
       r.brand_name, r.branded, r.brand_mentioned, r.mention_count, r.mention_contexts, r.mention_order, r.position_in_list,
       r.total_items_in_list, r.ranking_kind, r.appears_in_numbered_list, r.competitors_mentioned, r.competitor_positions,
       r.sources, r.brand_cited, r.competitors_cited, r.analysis_version, r.sentiment_status,
       coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         LEFT JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.unread_reason IS NOT NULL AND r.id > %(after)s AND r.full_response <> ''
ORDER BY r.id
LIMIT %(page)s;

-- name: without_text
-- The stale answers of a day that have no text any more.
SELECT r.id, r.llm_provider, r.analysis_date, r.query_text, NULL AS full_response, r.branded,
       coalesce(q.language, p.language) AS language
FROM llm_monitoring_results r
         JOIN llm_monitoring_projects p ON p.id = r.project_id
         LEFT JOIN llm_monitoring_queries q ON q.id = r.query_id
WHERE r.project_id = %(project_id)s AND r.analysis_date = %(day)s AND coalesce(r.full_response, '') = ''
  AND r.rules_fingerprint IS DISTINCT FROM %(fingerprint)s
ORDER BY r.id;

-- name: store_readings
-- Replace the analysis of answers. The sentiment stays if the answer mentions the brand as before.
UPDATE llm_monitoring_results r
SET brand_name = %(brand_name)s, branded = new.branded, brand_mentioned = new.brand_mentioned,
    mention_count = new.mention_count, mention_contexts = new.mention_contexts, mention_order = new.mention_order,
    position_in_list = new.position_in_list, total_items_in_list = new.total_items_in_list,
    ranking_kind = new.ranking_kind, appears_in_numbered_list = new.appears_in_numbered_list,
    competitors_mentioned = new.competitors_mentioned, competitor_positions = new.competitor_positions,
    sources = new.sources, brand_cited = new.brand_cited, competitors_cited = new.competitors_cited,
    analysis_version = new.analysis_version, rules_fingerprint = %(fingerprint)s, unread_reason = NULL,
    sentiment = CASE WHEN coalesce(r.brand_mentioned, FALSE) = new.brand_mentioned THEN r.sentiment END,
    sentiment_score = CASE WHEN coalesce(r.brand_mentioned, FALSE) = new.brand_mentioned THEN r.sentiment_score END,
    sentiment_reason = CASE WHEN coalesce(r.brand_mentioned, FALSE) = new.brand_mentioned THEN r.sentiment_reason END,
    sentiment_status = CASE WHEN coalesce(r.brand_mentioned, FALSE) = new.brand_mentioned THEN r.sentiment_status
                            WHEN new.brand_mentioned AND %(sentiment)s THEN 'pending'
                            ELSE 'none' END
FROM jsonb_to_recordset(%(readings)s) AS new (
    id BIGINT, branded BOOLEAN, brand_mentioned BOOLEAN, mention_count INTEGER, mention_contexts TEXT[],
    mention_order INTEGER, position_in_list INTEGER, total_items_in_list INTEGER, ranking_kind TEXT,
    appears_in_numbered_list BOOLEAN, competitors_mentioned JSONB, competitor_positions JSONB, sources JSONB,
    brand_cited BOOLEAN, competitors_cited JSONB, analysis_version TEXT)
WHERE r.id = new.id AND r.full_response <> '' AND r.rules_fingerprint IS DISTINCT FROM %(fingerprint)s;

-- name: store_branded
-- Of an answer without text only this can be read again: whether its prompt names the brand. Its fingerprint stays.
UPDATE llm_monitoring_results r
SET branded = new.branded
FROM jsonb_to_recordset(%(readings)s) AS new (id BIGINT, branded BOOLEAN)
WHERE r.id = new.id AND r.branded <> new.branded;
