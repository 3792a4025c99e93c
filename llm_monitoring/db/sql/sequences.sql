-- name: can_align
-- Whether the tables are migrated.
SELECT to_regprocedure('llm_monitoring_align_sequence(regclass, text)') IS NOT NULL AS known

-- name: align
-- Bring the sequence of a primary key forward; how far it was behind, NULL for another constraint.
SELECT llm_monitoring_align_sequence(to_regclass(format('%%I.%%I', %(schema)s::TEXT, %(table)s::TEXT)), %(key)s) AS behind
