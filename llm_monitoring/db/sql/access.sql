-- name: add_token
-- Store a token's hash with what it may do, unless the user has too many that are valid or of this day.
INSERT INTO llm_api_tokens (user_id, name, prefix, token_hash, scopes, project_ids, expires_at)
SELECT %(user_id)s, %(name)s, %(prefix)s, %(token_hash)s, %(scopes)s, %(project_ids)s, %(expires_at)s
WHERE %(most)s > (
    SELECT count(*) FROM llm_api_tokens
    WHERE user_id = %(user_id)s
      AND (created_at > now() - interval '1 day'
           OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))))
RETURNING id, user_id, name, prefix, scopes, project_ids, created_at, expires_at, last_used_at, revoked_at;

-- name: token_by_hash
-- The token of a hash, if it is neither revoked nor expired.
SELECT t.id, t.user_id, u.email, t.name, t.prefix, t.scopes, t.project_ids, t.created_at, t.expires_at, t.last_used_at,
       t.revoked_at
FROM llm_api_tokens t JOIN users u ON u.id = t.user_id
WHERE t.token_hash = %(token_hash)s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now());

-- name: tokens
-- A user's tokens, or those of all users, including revoked ones.
SELECT t.id, t.user_id, u.email, t.name, t.prefix, t.scopes, t.project_ids, t.created_at, t.expires_at, t.last_used_at,
       t.revoked_at
FROM llm_api_tokens t JOIN users u ON u.id = t.user_id
WHERE %(user_id)s::int IS NULL OR t.user_id = %(user_id)s
ORDER BY t.id;

-- name: revoke_token
-- Revoke a token; one that was revoked before keeps its time, and is not `ended` now.
WITH old AS (
    SELECT id, revoked_at FROM llm_api_tokens
    WHERE id = %(id)s AND (%(user_id)s::int IS NULL OR user_id = %(user_id)s)
    FOR UPDATE
)
UPDATE llm_api_tokens t SET revoked_at = coalesce(t.revoked_at, now())
FROM old
WHERE t.id = old.id
RETURNING t.id, t.user_id, t.name, t.prefix, t.scopes, t.project_ids, t.created_at, t.expires_at, t.last_used_at,
          t.revoked_at, old.revoked_at IS NULL AS ended;

-- name: note_use
-- Record when a token was last used, at most once a minute.
UPDATE llm_api_tokens SET last_used_at = now()
WHERE id = %(id)s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: foreign_projects
-- Which of these projects are not this user's.
SELECT wanted.id FROM unnest(%(project_ids)s::int[]) AS wanted (id)
WHERE NOT EXISTS (SELECT FROM llm_monitoring_projects p WHERE p.id = wanted.id AND p.user_id = %(user_id)s)
ORDER BY wanted.id;

-- name: add_entry
-- Record a change; no row if the account has made `most` within a day.
INSERT INTO llm_audit_log (user_id, actor_kind, actor_id, action, project_id, object_id, before, after)
SELECT %(user_id)s, %(actor_kind)s, %(actor_id)s, %(action)s, %(project_id)s, %(object_id)s,
       %(before)s::jsonb, %(after)s::jsonb
WHERE %(most)s::int IS NULL OR NOT EXISTS (
    SELECT FROM (SELECT l.at FROM llm_audit_log l WHERE l.user_id = %(user_id)s ORDER BY l.id DESC
                 OFFSET %(most)s::int - 1 LIMIT 1) AS oldest
    WHERE oldest.at > now() - interval '1 day');

-- name: entries
-- A page of a user's record, newest first.
SELECT id, at, actor_kind, actor_id, action, project_id, object_id, before, after
FROM llm_audit_log
WHERE user_id = %(user_id)s AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
  AND (%(project_ids)s::int[] IS NULL OR project_id = ANY (%(project_ids)s))
ORDER BY id DESC LIMIT %(limit)s;

-- name: role
-- A user's role in a project that is not archived: 'owner', 'viewer', or no row.
SELECT CASE WHEN p.user_id = %(user_id)s THEN 'owner' ELSE 'viewer' END AS role, p.archived_at
FROM llm_monitoring_projects p
WHERE p.id = %(project_id)s
  AND (p.user_id = %(user_id)s
       OR EXISTS (SELECT FROM llm_project_viewers v WHERE v.project_id = p.id AND v.user_id = %(user_id)s));

-- name: archived
-- Whether a project is archived.
SELECT archived_at IS NOT NULL AS is_archived FROM llm_monitoring_projects WHERE id = %(project_id)s;

-- name: begin_request
-- Take an idempotency key for a request, or return no row if it was taken within a day.
INSERT INTO llm_idempotency_keys AS held (user_id, key, operation, body_hash)
VALUES (%(user_id)s, %(key)s, %(operation)s, %(body_hash)s)
ON CONFLICT (user_id, key) DO UPDATE
    SET operation = excluded.operation, body_hash = excluded.body_hash, status = NULL, body = NULL, headers = NULL,
        created_at = now()
    WHERE held.created_at < now() - interval '24 hours'
RETURNING key;

-- name: request
-- The request of a key, and its stored response.
SELECT operation, body_hash, status, body, headers FROM llm_idempotency_keys
WHERE user_id = %(user_id)s AND key = %(key)s;

-- name: end_request
-- Store the response of a request.
UPDATE llm_idempotency_keys SET status = %(status)s, body = %(body)s, headers = %(headers)s
WHERE user_id = %(user_id)s AND key = %(key)s;

-- name: visible_projects
-- A page of the projects that a user owns or may view.
SELECT p.id, p.name, p.brand_name, p.language, p.country, p.is_active, p.archived_at IS NOT NULL AS is_archived,
       p.last_analysis_date, CASE WHEN p.user_id = %(user_id)s THEN 'owner' ELSE 'viewer' END AS role,
       (SELECT count(*) FROM llm_monitoring_queries q WHERE q.project_id = p.id AND q.is_active) AS active_queries
FROM llm_monitoring_projects p
WHERE (p.user_id = %(user_id)s
       OR EXISTS (SELECT FROM llm_project_viewers v WHERE v.project_id = p.id AND v.user_id = %(user_id)s))
  AND (%(project_ids)s::int[] IS NULL OR p.id = ANY (%(project_ids)s))
  AND (p.archived_at IS NOT NULL) = %(archived)s AND p.id > %(after_id)s
ORDER BY p.id LIMIT %(limit)s;

-- name: may_create
-- Whether a user owns a project, or sees none.
SELECT EXISTS (SELECT FROM llm_monitoring_projects WHERE user_id = %(user_id)s)
       OR NOT EXISTS (SELECT FROM llm_project_viewers WHERE user_id = %(user_id)s) AS may_create;

-- name: archive_project
-- Archive a project, which stops asking it, or restore it as a paused one; no row if it is so already.
UPDATE llm_monitoring_projects
SET archived_at = CASE WHEN %(archived)s THEN coalesce(archived_at, now()) END,
    is_active = is_active AND NOT %(archived)s, updated_at = now()
WHERE id = %(project_id)s AND (archived_at IS NOT NULL) <> %(archived)s;

-- name: wall
-- Whether row-level security is on, limits this login (no bypass, no owner) or others, and a token is valid.
SELECT current_user AS login, c.relrowsecurity AS is_on, EXISTS (SELECT FROM llm_api_tokens
           WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS has_tokens,
       c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls AND NOT pg_has_role(c.relowner, 'USAGE') AS stands,
       ARRAY(SELECT m.rolname::text FROM pg_roles m, pg_roles w
             WHERE w.rolname = 'llm_monitoring_web' AND m.rolcanlogin AND NOT m.rolsuper AND NOT m.rolbypassrls
               AND pg_has_role(m.oid, w.oid, 'USAGE') AND NOT pg_has_role(m.oid, c.relowner, 'USAGE')
             ORDER BY m.rolname) AS web_logins
FROM pg_class c, pg_roles r
WHERE c.oid = 'llm_monitoring_projects'::regclass AND r.rolname = current_user;

-- name: add_viewer
-- Let a user see a project.
INSERT INTO llm_project_viewers (project_id, user_id) VALUES (%(project_id)s, %(user_id)s) ON CONFLICT DO NOTHING;

-- name: remove_viewer
-- A user sees a project no more.
DELETE FROM llm_project_viewers WHERE project_id = %(project_id)s AND user_id = %(user_id)s;

-- name: add_invitation
-- Let the user of an address see a project, now or once there is one; no row if it may already, or too many may.
INSERT INTO llm_viewer_invitations (project_id, email)
SELECT %(project_id)s, %(email)s
WHERE %(most)s > (SELECT count(*) FROM llm_viewer_invitations WHERE project_id = %(project_id)s)
ON CONFLICT DO NOTHING;

-- name: remove_invitation
-- End an invitation.
DELETE FROM llm_viewer_invitations
WHERE project_id = %(project_id)s AND pg_catalog.lower(email COLLATE "C") = pg_catalog.lower(%(email)s::text COLLATE "C");

-- name: invitations
-- Who was invited to see a project, by address.
SELECT email, created_at FROM llm_viewer_invitations WHERE project_id = %(project_id)s ORDER BY created_at, email;

-- name: accept_invitations
-- Let a user see the projects that the address is invited to, or one of them.
INSERT INTO llm_project_viewers (project_id, user_id)
SELECT i.project_id, u.id
FROM users u JOIN llm_viewer_invitations i
    ON pg_catalog.lower(i.email COLLATE "C") = pg_catalog.lower(u.email::text COLLATE "C")
WHERE u.id = %(user_id)s AND (%(project_id)s::int IS NULL OR i.project_id = %(project_id)s)
ON CONFLICT DO NOTHING;

-- name: hold_invitations
-- Let whoever accepts or withdraws invitations of an address, or of a user's, wait until this transaction ends.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('invitations of ' || pg_catalog.lower(
    coalesce(%(email)s::text, (SELECT u.email::text FROM users u WHERE u.id = %(user_id)s)) COLLATE "C"), 0));

-- name: viewers
-- Who sees a project besides its owner.
SELECT v.user_id, u.email, v.created_at
FROM llm_project_viewers v JOIN users u ON u.id = v.user_id
WHERE v.project_id = %(project_id)s ORDER BY v.user_id;
