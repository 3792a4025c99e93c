-- name: drop_sign_in_links
-- Delete a batch of sign-in links that have expired for long.
DELETE FROM llm_sign_in_links WHERE id IN (
    SELECT id FROM llm_sign_in_links WHERE expires_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s);

-- name: drop_sessions
-- Delete a batch of sessions that have ended or expired for long.
DELETE FROM llm_sessions WHERE id IN (
    SELECT id FROM llm_sessions
    WHERE least(expires_at, ended_at) < now() - make_interval(days => %(days)s) LIMIT %(batch)s);

-- name: drop_hand_offs
-- Delete a batch of hand-offs that were used long ago.
DELETE FROM llm_spent_hand_offs WHERE hand_off_hash IN (
    SELECT hand_off_hash FROM llm_spent_hand_offs
    WHERE spent_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s);

-- name: drop_share_links
-- Delete a batch of share links that have expired or were revoked long ago, with the reports of frozen ones.
DELETE FROM llm_share_links WHERE id IN (
    SELECT id FROM llm_share_links
    WHERE least(expires_at, revoked_at) < now() - make_interval(days => %(days)s) LIMIT %(batch)s);

-- name: drop_requests
-- Delete a batch of idempotency keys that were taken long ago.
DELETE FROM llm_idempotency_keys WHERE (user_id, key) IN (
    SELECT user_id, key FROM llm_idempotency_keys
    WHERE created_at < now() - make_interval(days => %(days)s) LIMIT %(batch)s);
