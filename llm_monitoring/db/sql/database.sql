-- name: prepare_session
-- Our own settings in place of the server's, the database's or the role's: UTC, writes allowed, limited waits for locks.
SELECT set_config(wanted.name, wanted.value, FALSE)
FROM (VALUES ('TimeZone', 'UTC'),
             ('lock_timeout', %(lock_timeout)s),
             ('statement_timeout', %(statement_timeout)s),
             ('transaction_timeout', '0'),
             ('idle_session_timeout', '0'),
             ('idle_in_transaction_session_timeout', '5min'),
             ('default_transaction_read_only', 'off'),
             ('default_transaction_isolation', 'read committed'),
             ('standard_conforming_strings', 'on'),
             ('row_security', 'on'),
             ('IntervalStyle', 'postgres'),
             ('array_nulls', 'on'),
             ('transform_null_equals', 'off'),
             ('extra_float_digits', '1'),
             ('synchronous_commit', 'on')) AS wanted (name, value)
WHERE CASE wanted.name
          WHEN 'synchronous_commit' THEN current_setting(wanted.name) = 'off'
          ELSE current_setting(wanted.name, TRUE) IS NOT NULL END  -- older servers lack some; reading pg_settings is slow

-- name: notice_lost_client
-- Release the locks of a machine that disappeared within half a minute, not after two hours.
SELECT set_config('tcp_keepalives_idle', '10', FALSE), set_config('tcp_keepalives_interval', '5', FALSE),
       set_config('tcp_keepalives_count', '3', FALSE)

-- name: try_lock
-- Take a lock for this session, unless another holds it.
SELECT pg_try_advisory_lock(%(key)s) AS taken

-- name: unlock
-- Release a lock at once, because the end of its session takes a moment.
SELECT pg_advisory_unlock(%(key)s) AS freed

-- name: savepoint
-- Begin the work on one row.
SAVEPOINT one_row

-- name: rollback_to_savepoint
-- Undo the work on one row.
ROLLBACK TO SAVEPOINT one_row

-- name: release_savepoint
-- Keep the work on one row.
RELEASE SAVEPOINT one_row

-- name: now
-- The database's time.
SELECT clock_timestamp() AS now

-- name: server_process
-- The server process that answers.
SELECT pg_catalog.pg_backend_pid() AS pid

-- name: mark_session
-- Whether an earlier connection has left a mark in this session; leaves one.
WITH earlier AS MATERIALIZED (SELECT current_setting('llm_monitoring.marked', TRUE) AS mark)
SELECT coalesce(mark, '') <> '' AS marked, set_config('llm_monitoring.marked', 'yes', FALSE) FROM earlier

-- name: holds
-- Whether this session holds an advisory lock.
SELECT EXISTS (SELECT FROM pg_locks
               WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()
                 AND (classid::bigint << 32) | objid::bigint = %(key)s) AS held

-- name: advisory_holder
-- The holder of an advisory lock of this database, and the start of its session.
SELECT l.pid, a.usename AS username, a.application_name AS application, a.backend_start AS since
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = %(key)s
LIMIT 1

-- name: table_holder
-- The session with the oldest transaction that holds locks on a table, without sessions that wait themselves.
SELECT l.pid, a.usename AS username, a.application_name AS application, a.xact_start AS since
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.mode <> 'AccessShareLock' AND l.pid <> pg_backend_pid()
  AND l.relation = to_regclass(%(table)s)
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND NOT EXISTS (SELECT FROM pg_locks w WHERE w.pid = l.pid AND NOT w.granted)
ORDER BY a.xact_start NULLS LAST
LIMIT 1

-- name: table_locker
-- The table that a session holds whole or nearly so, with the session of the oldest such transaction.
SELECT format('%%s: pid=%%s user=%%s application=%%s since=%%s', l.relation::regclass, l.pid, coalesce(a.usename, '?'),
              coalesce(nullif(a.application_name, ''), '?'), coalesce(a.xact_start::timestamp(0)::text, '?')) AS locker
FROM pg_locks l
         JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
         LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND NOT EXISTS (SELECT FROM pg_locks w WHERE w.pid = l.pid AND NOT w.granted)
ORDER BY a.xact_start NULLS LAST
LIMIT 1

-- name: answer
-- Check that the database answers.
SELECT 1 AS answered;

-- name: bind_rows
-- Set the user, or the one project, of the rows that row-level security shows in this session; both empty: no rows.
SELECT set_config('llm_monitoring.user_id', %(user_id)s, FALSE),
       set_config('llm_monitoring.project_id', %(project_id)s, FALSE)

-- name: wait_for_lock
-- Take the lock of a name for this session, after its holder; lock_timeout limits the wait.
SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended(%(name)s, 0))

-- name: wait_for_turn
-- Take the lock of a name until this transaction ends, after its holder; lock_timeout limits the wait.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%(name)s, 0))

-- name: release_lock
-- Release the lock of a name.
SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended(%(name)s, 0)) AS freed

-- name: begin_snapshot
-- Begin a transaction in which all statements read one state of the database.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: end_snapshot
-- End it.
COMMIT

-- name: abandon_snapshot
-- End it after an error.
ROLLBACK
