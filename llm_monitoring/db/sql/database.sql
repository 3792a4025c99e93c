-- name: prepare_session
-- Times are UTC whatever the server's or the role's default is.
SELECT set_config('TimeZone', 'UTC', FALSE)

-- name: ping
-- Fail where the session is gone.
SELECT TRUE AS alive
