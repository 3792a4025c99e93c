-- What least-privilege roles may not rewrite: who changed a model, and what a closed call was charged.
ALTER TABLE llm_model_changelog ADD COLUMN changed_by_login TEXT NOT NULL DEFAULT session_user;
COMMENT ON COLUMN llm_model_changelog.changed_by_login IS 'the login of the change; changed_by is the author that the program gives';

-- The log is written with its owner's rights, so that no other role needs the right to write it.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION llm_model_registry_log() SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp',
                   current_schema());
END $$;

-- A closed call changes once more only if it was in doubt, and only to what it really cost. Whoever cannot change a
-- user's limit cannot lower a user's spend either.
CREATE FUNCTION llm_call_attempts_guard() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF pg_catalog.pg_has_role(current_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state IN ('settled', 'void') OR (OLD.state = 'unknown' AND NEW.state NOT IN ('unknown', 'settled')) THEN
            RAISE insufficient_privilege USING MESSAGE = format('call %s is closed', OLD.id);
        END IF;
    ELSIF NEW.kind = 'correction' AND NEW.charged_usd < 0
        AND NOT pg_catalog.has_column_privilege('user_llm_api_keys', 'monthly_budget_usd', 'UPDATE') THEN
        RAISE insufficient_privilege USING MESSAGE = 'only a role that sets limits may lower a spend';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER llm_call_attempts_guard BEFORE INSERT OR UPDATE ON llm_call_attempts
    FOR EACH ROW EXECUTE FUNCTION llm_call_attempts_guard();
