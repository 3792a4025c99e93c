-- name: prepare_session
-- Times are UTC whatever the server's or the role's default is.
SELECT set_config('TimeZone', 'UTC', FALSE)

-- name: ping
-- Fail where the session is gone.
SELECT TRUE AS alive

-- name: notice_lost_client
-- A machine that went away without a word loses this session's locks within half a minute, not after two hours.
SELECT set_config('tcp_keepalives_idle', '10', FALSE), set_config('tcp_keepalives_interval', '5', FALSE),
       set_config('tcp_keepalives_count', '3', FALSE)

-- name: try_lock
-- Take a lock for this session, or say that another holds it.
SELECT pg_try_advisory_lock(%(key)s) AS taken

-- name: unlock
-- Free a lock at once: the end of its session would take a moment.
SELECT pg_advisory_unlock(%(key)s) AS freed
