-- name: room
-- How many ids the tables have left that a run adds rows to, each with the sequence that fills them and its last value; a column without a sequence has no end that is known.
SELECT c.relname::text AS table, s.oid::regclass::text AS sequence,
       CASE WHEN has_sequence_privilege(s.oid, 'USAGE, SELECT')
            THEN (least(q.seqmax, CASE coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text
                                      WHEN 'smallint' THEN 32767 WHEN 'integer' THEN 2147483647 ELSE q.seqmax END)
                  - coalesce(pg_sequence_last_value(s.oid), q.seqstart - 1)) / q.seqincrement END AS room
FROM unnest(%(tables)s::text[]) AS wanted (name)
         JOIN pg_class c ON c.oid = to_regclass(wanted.name)
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id'
         JOIN pg_type t ON t.oid = a.atttypid
         LEFT JOIN pg_attrdef e ON e.adrelid = c.oid AND e.adnum = a.attnum
         JOIN pg_depend d ON CASE a.attidentity
                                 WHEN '' THEN d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
                                 ELSE d.deptype = 'i' AND d.refobjid = c.oid AND d.refobjsubid = a.attnum END
         JOIN pg_class s ON s.oid = CASE a.attidentity WHEN '' THEN d.refobjid ELSE d.objid END AND s.relkind = 'S'
         JOIN pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0 AND NOT q.seqcycle
ORDER BY 1;
