-- name: kinds
-- The sites of a project of which a user set the kind.
SELECT site, kind, set_at FROM llm_site_kinds WHERE project_id = %(project_id)s ORDER BY site;

-- name: kind
-- The kind that a user set for one site.
SELECT kind FROM llm_site_kinds WHERE project_id = %(project_id)s AND site = %(site)s;

-- name: set_kind
-- Set the kind of a site; no row if the project has too many.
INSERT INTO llm_site_kinds AS known (project_id, site, kind)
SELECT %(project_id)s, %(site)s, %(kind)s
WHERE (SELECT count(*) FROM llm_site_kinds WHERE project_id = %(project_id)s AND site <> %(site)s) < %(most)s
ON CONFLICT (project_id, site) DO UPDATE
    SET kind = excluded.kind, set_at = CASE WHEN known.kind = excluded.kind THEN known.set_at ELSE now() END
RETURNING site;

-- name: unset_kind
-- Remove the kind that a user set for a site.
DELETE FROM llm_site_kinds WHERE project_id = %(project_id)s AND site = %(site)s;
