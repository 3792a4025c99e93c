-- name: share_by_hash
-- The share link of a hash, if it is neither revoked nor expired and its project is not archived.
SELECT s.id, s.project_id, s.user_id, s.label, s.kind, s.created_at, s.expires_at, s.revoked_at, s.opens, s.last_opened_at
FROM llm_share_links s
WHERE s.link_hash = %(link_hash)s AND s.revoked_at IS NULL AND s.expires_at > now();
