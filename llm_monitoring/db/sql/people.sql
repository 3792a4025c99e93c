-- name: invite
-- Let a user ask for sign-in links; no row if the user was invited before, or is disabled.
INSERT INTO llm_people (user_id) VALUES (%(user_id)s) ON CONFLICT DO NOTHING;

-- name: enable
-- Let a user who was disabled sign in again.
UPDATE llm_people SET disabled_at = NULL WHERE user_id = %(user_id)s AND disabled_at IS NOT NULL;

-- name: disable
-- Stop a user from signing in, invited or not.
INSERT INTO llm_people AS known (user_id, disabled_at) VALUES (%(user_id)s, now())
ON CONFLICT (user_id) DO UPDATE SET disabled_at = coalesce(known.disabled_at, now());

-- name: person
-- A user with what concerns signing in, by id or by address, in which the case of ASCII letters alone is ignored.
SELECT u.id, u.email, p.invited_at, p.disabled_at
FROM users u LEFT JOIN llm_people p ON p.user_id = u.id
WHERE u.id = %(user_id)s::int
   OR pg_catalog.lower(u.email::text COLLATE "C") = pg_catalog.lower(%(email)s::text COLLATE "C");

-- name: add_link
-- Store a sign-in link, unless the user has as many open ones as are allowed.
INSERT INTO llm_sign_in_links (user_id, link_hash, expires_at)
SELECT %(user_id)s, %(link_hash)s, now() + %(seconds)s * interval '1 second'
WHERE %(most)s::int IS NULL OR %(most)s > (
    SELECT count(*) FROM llm_sign_in_links
    WHERE user_id = %(user_id)s AND created_at > now() - %(seconds)s * interval '1 second')
RETURNING id;

-- name: link
-- The user of a sign-in link that can be spent.
SELECT u.id, u.email, p.invited_at, p.disabled_at
FROM llm_sign_in_links l JOIN users u ON u.id = l.user_id LEFT JOIN llm_people p ON p.user_id = u.id
WHERE l.link_hash = %(link_hash)s AND l.spent_at IS NULL AND l.expires_at > now() AND p.disabled_at IS NULL;

-- name: spend_link
-- Spend a sign-in link: of two requests at once one returns its user.
UPDATE llm_sign_in_links SET spent_at = now()
WHERE link_hash = %(link_hash)s AND spent_at IS NULL AND expires_at > now()
  AND user_id IN (SELECT u.id FROM users u LEFT JOIN llm_people p ON p.user_id = u.id WHERE p.disabled_at IS NULL)
RETURNING user_id;

-- name: spend_hand_off
-- Note that a hand-off was used; no row if it was before.
INSERT INTO llm_spent_hand_offs (hand_off_hash) VALUES (%(hand_off_hash)s) ON CONFLICT DO NOTHING RETURNING spent_at;

-- name: forget_hand_offs
-- Forget the hand-offs that have expired for long.
DELETE FROM llm_spent_hand_offs WHERE spent_at < now() - interval '1 day';

-- name: add_session
-- Store a session.
INSERT INTO llm_sessions (user_id, session_hash, method, client, expires_at)
VALUES (%(user_id)s, %(session_hash)s, %(method)s, %(client)s, now() + %(days)s * interval '1 day')
RETURNING id;

-- name: session
-- The session of a hash that is used by a user who may sign in.
SELECT s.id, s.user_id, u.email, s.method, s.client, s.created_at, s.last_used_at, s.expires_at
FROM llm_sessions s JOIN users u ON u.id = s.user_id LEFT JOIN llm_people p ON p.user_id = u.id
WHERE s.session_hash = %(session_hash)s AND s.ended_at IS NULL AND s.expires_at > now()
  AND s.last_used_at > now() - %(idle_hours)s * interval '1 hour' AND p.disabled_at IS NULL;

-- name: sessions
-- A user's sessions that are open, the latest used first.
SELECT s.id, s.user_id, u.email, s.method, s.client, s.created_at, s.last_used_at, s.expires_at
FROM llm_sessions s JOIN users u ON u.id = s.user_id
WHERE s.user_id = %(user_id)s AND s.ended_at IS NULL AND s.expires_at > now()
  AND s.last_used_at > now() - %(idle_hours)s * interval '1 hour'
ORDER BY s.last_used_at DESC, s.id DESC;

-- name: note_session
-- Record when a session was last used, at most once a minute.
UPDATE llm_sessions SET last_used_at = now()
WHERE id = %(id)s AND last_used_at < now() - interval '1 minute';

-- name: end_session
-- End a session of a user; no row if it has ended.
UPDATE llm_sessions SET ended_at = now() WHERE id = %(id)s AND user_id = %(user_id)s AND ended_at IS NULL;

-- name: end_sessions
-- End every session of a user, except one if it is given.
UPDATE llm_sessions SET ended_at = now()
WHERE user_id = %(user_id)s AND ended_at IS NULL AND id IS DISTINCT FROM %(kept)s::bigint
RETURNING id;
