-- name: changes
-- What was changed in a project within a span of time, the latest first.
SELECT at, actor_kind, action, object_id, before, after
FROM llm_audit_log
WHERE project_id = %(project_id)s AND action = ANY (%(actions)s) AND at >= %(begin)s AND at <= %(end)s
ORDER BY id DESC LIMIT %(limit)s;
