-- A restore of data alone, or rows that the host application writes with ids of its own, leave a table's sequence behind
-- its ids: each next insert fails, also that of a paid answer. Whoever meets a conflict calls this function. If the
-- constraint is a primary key that a sequence fills, it brings the sequence forward and returns how far it was behind: 0
-- if another session was faster. For any other constraint it returns NULL. It has its owner's rights, as least-privilege
-- roles cannot set a sequence, and it never takes one back.
CREATE FUNCTION llm_monitoring_align_sequence(tab REGCLASS, key_name TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    key_column NAME;
    sequence   REGCLASS;
    behind     BIGINT;
BEGIN
    SELECT a.attname, s.oid
    INTO key_column, sequence
    FROM pg_class c
             JOIN pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p' AND p.conname = key_name
                AND array_length(p.conkey, 1) = 1
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.conkey[1]
             LEFT JOIN pg_attrdef e ON e.adrelid = c.oid AND e.adnum = a.attnum
             JOIN pg_depend d
                  ON CASE a.attidentity
                         WHEN '' THEN d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
                         ELSE d.deptype = 'i' AND d.refobjid = c.oid AND d.refobjsubid = a.attnum END
             JOIN pg_class s ON s.oid = CASE a.attidentity WHEN '' THEN d.refobjid ELSE d.objid END AND s.relkind = 'S'
             JOIN pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement = 1
    WHERE c.oid = tab AND pg_has_role(c.relowner, 'USAGE') AND pg_has_role(s.relowner, 'USAGE');
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT (SELECT max(%I) FROM %s) - last_value + (NOT is_called)::INTEGER FROM %s',
                   key_column, tab, sequence) INTO behind;
    IF behind > 10000 THEN  -- so far that no other session can come past the highest id meanwhile
        EXECUTE format('SELECT setval(%L, max(%I)) FROM %s', sequence, key_column, tab);
    ELSIF behind > 0 THEN
        PERFORM nextval(sequence) FROM generate_series(1, behind);
    END IF;
    RETURN greatest(behind, 0);
END $$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION llm_monitoring_align_sequence(REGCLASS, TEXT) SECURITY DEFINER '
                   'SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$;
