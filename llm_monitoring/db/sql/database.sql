-- name: prepare_session
-- Our own settings, whatever the server, the database or the role has: UTC, writes allowed, no wait for a lock without end.
SELECT set_config(wanted.name, wanted.value, FALSE)
FROM (VALUES ('TimeZone', 'UTC'),
             ('lock_timeout', %(lock_timeout)s),
             ('statement_timeout', '0'),
             ('transaction_timeout', '0'),
             ('idle_session_timeout', '0'),
             ('idle_in_transaction_session_timeout', '5min'),
             ('default_transaction_read_only', 'off'),
             ('default_transaction_isolation', 'read committed'),
             ('synchronous_commit', 'on')) AS wanted (name, value)
         JOIN pg_catalog.pg_settings s ON s.name = wanted.name  -- older servers lack some
WHERE wanted.name <> 'synchronous_commit' OR s.setting = 'off'

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

-- name: savepoint
-- Mark where the work on one row begins.
SAVEPOINT one_row

-- name: rollback_to_savepoint
-- Undo the work on one row.
ROLLBACK TO SAVEPOINT one_row

-- name: release_savepoint
-- Keep the work on one row.
RELEASE SAVEPOINT one_row
