-- name: pacings
-- The pacing of users who have chosen one, of one user or of all.
SELECT user_id, on_since, steps FROM llm_pacing
WHERE %(user_id)s::int IS NULL OR user_id = %(user_id)s
ORDER BY user_id;

-- name: set_pacing
-- Turn a user's pacing on or off, with the order of its steps; the day on which it was turned on stays while it is on.
INSERT INTO llm_pacing (user_id, on_since, steps)
VALUES (%(user_id)s, CASE WHEN %(is_on)s THEN now() END, %(steps)s)
ON CONFLICT (user_id) DO UPDATE
SET on_since = CASE WHEN %(is_on)s THEN coalesce(llm_pacing.on_since, now()) END, steps = excluded.steps, set_at = now();
