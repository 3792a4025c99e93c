-- name: users
-- Every user.
SELECT id, email FROM users ORDER BY id;

-- name: user
-- One user by id or by address.
SELECT id, email FROM users WHERE id = %(user_id)s::int OR pg_catalog.lower(email::text) = pg_catalog.lower(%(email)s::text);

-- name: add_user
-- Create a user if no user has the address.
INSERT INTO users (email) VALUES (%(email)s) ON CONFLICT (email) DO NOTHING RETURNING id;

-- name: owner_of_address
-- Another user with this address, in any case of letters.
SELECT id FROM users WHERE pg_catalog.lower(email::text) = pg_catalog.lower(%(email)s::text) AND id <> %(user_id)s;

-- name: change_address
-- Store another address.
UPDATE users SET email = %(email)s WHERE id = %(user_id)s;

-- name: holdings
-- What is deleted with a user, and what stays in the ledger.
SELECT (SELECT count(*) FROM llm_monitoring_projects p WHERE p.user_id = %(user_id)s) AS projects,
       (SELECT count(*) FROM llm_monitoring_queries q JOIN llm_monitoring_projects p ON p.id = q.project_id
        WHERE p.user_id = %(user_id)s) AS prompts,
       (SELECT count(*) FROM llm_monitoring_results r JOIN llm_monitoring_projects p ON p.id = r.project_id
        WHERE p.user_id = %(user_id)s) AS answers,
       (SELECT count(*) FROM llm_call_attempts a WHERE a.user_id = %(user_id)s AND a.kind <> 'opening') AS calls,
       (SELECT count(*) FROM llm_call_attempts a WHERE a.user_id = %(user_id)s AND a.state IN ('reserved', 'sent'))
           AS open_calls,
       (SELECT coalesce(sum(a.charged_usd), 0) FROM llm_call_attempts a WHERE a.user_id = %(user_id)s) AS charged_usd;

-- name: remove_user
-- Delete a user who has no call open; their projects, prompts, answers and keys are deleted.
DELETE FROM users u
WHERE u.id = %(user_id)s
  AND NOT EXISTS (SELECT FROM llm_call_attempts a WHERE a.user_id = u.id AND a.state IN ('reserved', 'sent'));
