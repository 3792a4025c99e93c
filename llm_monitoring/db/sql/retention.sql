-- name: drop_receipts
-- Delete a batch of the oldest replies; those of open calls stay, since the next start settles calls from them.
DELETE FROM llm_call_receipts
WHERE attempt_id IN (SELECT r.attempt_id
                     FROM llm_call_receipts r JOIN llm_call_attempts a ON a.id = r.attempt_id
                     WHERE r.received_at < now() - make_interval(days => %(days)s) AND a.state NOT IN ('reserved', 'sent')
                     ORDER BY r.received_at
                     LIMIT %(batch)s);

-- name: empty_answers
-- Empty the text and the raw citations of a batch of the oldest answers; what was read in them stays.
UPDATE llm_monitoring_results
SET full_response = NULL, citations = '[]'
WHERE id IN (SELECT id FROM llm_monitoring_results
             WHERE created_at < now() - make_interval(days => %(days)s) AND full_response IS NOT NULL
               AND attempt_id IS NOT NULL
             ORDER BY created_at
             LIMIT %(batch)s);
