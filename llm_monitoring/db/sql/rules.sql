-- name: record
-- Keep a combination of names and rules under its fingerprint.
INSERT INTO llm_monitoring_rules (fingerprint, rules) VALUES (%(fingerprint)s, %(rules)s) ON CONFLICT (fingerprint) DO NOTHING;

-- name: find
-- The names and rules of a fingerprint.
SELECT rules FROM llm_monitoring_rules WHERE fingerprint = %(fingerprint)s;
