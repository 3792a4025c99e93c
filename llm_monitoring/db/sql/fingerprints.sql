-- name: record
-- Keep a combination of names and rules under its fingerprint.
INSERT INTO llm_monitoring_rules (fingerprint, rules) VALUES (%(fingerprint)s, %(rules)s) ON CONFLICT (fingerprint) DO NOTHING;

-- name: find
-- The names and rules of a fingerprint.
SELECT rules FROM llm_monitoring_rules WHERE fingerprint = %(fingerprint)s;

-- name: stale
-- How many readable answers of a project were read with other names or rules, and will be counted in another way.
SELECT count(*)::int AS answers
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND full_response <> '' AND rules_fingerprint IS DISTINCT FROM %(fingerprint)s;
