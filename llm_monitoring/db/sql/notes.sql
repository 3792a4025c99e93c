-- name: notes
-- The notes of a project between two days, or all, the latest day first.
SELECT n.id, n.day, n.text, n.author_kind, n.author_id, u.email AS author, n.created_at
FROM llm_project_notes n LEFT JOIN users u ON u.id = n.author_id
WHERE n.project_id = %(project_id)s AND (%(first)s::date IS NULL OR n.day >= %(first)s)
  AND (%(last)s::date IS NULL OR n.day <= %(last)s)
  AND (%(before_day)s::date IS NULL OR (n.day, n.id) < (%(before_day)s, %(before_id)s))
ORDER BY n.day DESC, n.id DESC LIMIT %(limit)s;

-- name: note
-- One note of a project.
SELECT n.id, n.day, n.text, n.author_kind, n.author_id, u.email AS author, n.created_at
FROM llm_project_notes n LEFT JOIN users u ON u.id = n.author_id
WHERE n.project_id = %(project_id)s AND n.id = %(id)s;

-- name: add_note
-- Add a note; no row if the project has too many.
INSERT INTO llm_project_notes (project_id, day, text, author_kind, author_id)
SELECT %(project_id)s, %(day)s, %(text)s, %(author_kind)s, %(author_id)s
WHERE (SELECT count(*) FROM llm_project_notes WHERE project_id = %(project_id)s) < %(most)s
RETURNING id;

-- name: remove_note
-- Remove a note.
DELETE FROM llm_project_notes WHERE project_id = %(project_id)s AND id = %(id)s;
