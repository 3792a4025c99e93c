-- name: old_receipts
-- A batch of the oldest receipts, without those of open attempts, which the next start settles from them.
SELECT r.attempt_id AS id
FROM llm_call_receipts r JOIN llm_call_attempts a ON a.id = r.attempt_id
WHERE r.received_at < now() - make_interval(days => %(days)s) AND a.state NOT IN ('reserved', 'sent')
  AND r.attempt_id <> ALL (%(refused)s::uuid[])
ORDER BY r.received_at
LIMIT %(batch)s;

-- name: drop_receipts
-- Delete receipts.
DELETE FROM llm_call_receipts WHERE attempt_id = ANY (%(ids)s::uuid[]);

-- name: old_answers
-- A batch of the oldest answers that were analysed and still have their text.
SELECT id FROM llm_monitoring_results
WHERE created_at < now() - make_interval(days => %(days)s) AND full_response IS NOT NULL AND unread_reason IS NULL
  AND attempt_id IS NOT NULL AND id <> ALL (%(refused)s::bigint[])
ORDER BY created_at
LIMIT %(batch)s;

-- name: empty_answers
-- Empty the text and the raw citations of answers; their analysis stays.
UPDATE llm_monitoring_results SET full_response = NULL, citations = '[]' WHERE id = ANY (%(ids)s::bigint[]);
