-- name: record
-- Store names and rules with their fingerprint.
INSERT INTO llm_monitoring_rules (fingerprint, rules) VALUES (%(fingerprint)s, %(rules)s) ON CONFLICT (fingerprint) DO NOTHING;

-- name: find
-- The names and rules of a fingerprint.
SELECT rules FROM llm_monitoring_rules WHERE fingerprint = %(fingerprint)s;

-- name: stale
-- The number of a project's stale answers that still have their text.
SELECT count(*)::int AS answers
FROM llm_monitoring_results
WHERE project_id = %(project_id)s AND full_response <> '' AND rules_fingerprint IS DISTINCT FROM %(fingerprint)s;
