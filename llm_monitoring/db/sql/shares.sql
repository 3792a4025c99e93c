-- name: add_share
-- Store a share link's hash, with the report of a frozen one, unless the user has too many that are open or of this day.
INSERT INTO llm_share_links (project_id, user_id, label, link_hash, kind, report, expires_at)
SELECT %(project_id)s, %(user_id)s, %(label)s, %(link_hash)s, %(kind)s, %(report)s,
       now() + %(days)s * interval '1 day'
WHERE %(most)s > (
    SELECT count(*) FROM llm_share_links
    WHERE user_id = %(user_id)s
      AND (created_at > now() - interval '1 day' OR (revoked_at IS NULL AND expires_at > now())))
RETURNING id, project_id, user_id, label, kind, created_at, expires_at, revoked_at, opens, last_opened_at;

-- name: share_by_hash
-- The share link of a hash, if it is neither revoked nor expired.
SELECT id, project_id, user_id, label, kind, created_at, expires_at, revoked_at, opens, last_opened_at
FROM llm_share_links
WHERE link_hash = %(link_hash)s AND revoked_at IS NULL AND expires_at > now();

-- name: shares
-- A page of a project's share links, the latest first, those that are over included.
SELECT id, project_id, user_id, label, kind, created_at, expires_at, revoked_at, opens, last_opened_at
FROM llm_share_links
WHERE project_id = %(project_id)s AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: revoke_share
-- Revoke a share link; no row if it was revoked before, or is none of this project's.
UPDATE llm_share_links SET revoked_at = now()
WHERE id = %(id)s AND project_id = %(project_id)s AND revoked_at IS NULL
RETURNING label;

-- name: note_open
-- Count an opening.
UPDATE llm_share_links SET opens = opens + 1, last_opened_at = now() WHERE id = %(id)s;

-- name: report
-- The report of a frozen link.
SELECT report FROM llm_share_links WHERE id = %(id)s AND report IS NOT NULL;

-- name: agency
-- What shared pages show of a user.
SELECT name, logo, logo_type FROM llm_agencies WHERE user_id = %(user_id)s;

-- name: agency_of_project
-- What shared pages show of the owner of a project.
SELECT a.name, a.logo, a.logo_type
FROM llm_agencies a JOIN llm_monitoring_projects p ON p.user_id = a.user_id
WHERE p.id = %(project_id)s;

-- name: set_agency
-- Store what shared pages show of a user, in place of what was shown before.
INSERT INTO llm_agencies AS known (user_id, name, logo, logo_type)
VALUES (%(user_id)s, %(name)s, %(logo)s, %(logo_type)s)
ON CONFLICT (user_id) DO UPDATE
    SET name = excluded.name, logo = excluded.logo, logo_type = excluded.logo_type, updated_at = now();

-- name: remove_agency
-- Show nothing of a user any more.
DELETE FROM llm_agencies WHERE user_id = %(user_id)s;
