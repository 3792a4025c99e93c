-- Pacing: a user's choice that the budget lasts the month, and what it left out of each day.

-- Users are the host application's table, which may lack the key that a foreign key needs.
CREATE TABLE llm_pacing (
    user_id  INTEGER PRIMARY KEY,
    -- NULL while it is off: the order of the steps is kept
    on_since TIMESTAMPTZ,
    steps    TEXT[]      NOT NULL
        CONSTRAINT llm_pacing_known_steps CHECK (
            cardinality(steps) >= 1 AND steps <@ ARRAY ['sentiment', 'samples', 'mode', 'rotation', 'providers'])
        CONSTRAINT llm_pacing_each_step_once CHECK (
            coalesce(cardinality(array_positions(steps, 'sentiment')), 0) <= 1
            AND coalesce(cardinality(array_positions(steps, 'samples')), 0) <= 1
            AND coalesce(cardinality(array_positions(steps, 'mode')), 0) <= 1
            AND coalesce(cardinality(array_positions(steps, 'rotation')), 0) <= 1
            AND coalesce(cardinality(array_positions(steps, 'providers')), 0) <= 1),
    set_at   TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON COLUMN llm_pacing.steps IS 'what is left out of a day that does not fit its share of the month, in this order';

CREATE TABLE llm_paced_days (
    user_id       INTEGER         NOT NULL,
    analysis_date DATE            NOT NULL,
    month         DATE            NOT NULL CHECK (extract(DAY FROM month) = 1),
    budget_usd    NUMERIC(18, 10) NOT NULL CHECK (budget_usd >= 0),
    committed_usd NUMERIC(18, 10) NOT NULL,
    share_usd     NUMERIC(18, 10) NOT NULL CHECK (share_usd >= 0),
    day_usd       NUMERIC(18, 10) NOT NULL CHECK (day_usd >= 0),
    full_usd      NUMERIC(18, 10) NOT NULL CHECK (full_usd >= 0),
    expected_usd  NUMERIC(18, 10) NOT NULL CHECK (expected_usd >= 0),
    planned_at    TIMESTAMPTZ     NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, analysis_date)
);
COMMENT ON COLUMN llm_paced_days.committed_usd IS 'what was spent and reserved of the month when the day was planned';
COMMENT ON COLUMN llm_paced_days.day_usd IS 'what the day may cost: its share of the rest of the month, with what earlier days saved';
COMMENT ON COLUMN llm_paced_days.full_usd IS 'what the day would have been expected to cost with nothing left out';

CREATE TABLE llm_paced_projects (
    project_id    INTEGER         NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    analysis_date DATE            NOT NULL,
    user_id       INTEGER         NOT NULL,
    steps         TEXT[]          NOT NULL
        CHECK (steps <@ ARRAY ['sentiment', 'samples', 'mode', 'rotation', 'providers']),
    samples       SMALLINT        NOT NULL CHECK (samples >= 1),
    left_out      TEXT[]          NOT NULL,
    -- the prompts that are not asked, by their number; one that is added later is asked
    resting       INTEGER[]       NOT NULL,
    prompts       INTEGER         NOT NULL CHECK (prompts >= cardinality(resting)),
    expected_usd  NUMERIC(18, 10) NOT NULL CHECK (expected_usd >= 0),
    PRIMARY KEY (project_id, analysis_date)
);
CREATE INDEX llm_paced_projects_of_user ON llm_paced_projects (user_id, analysis_date);
COMMENT ON COLUMN llm_paced_projects.steps IS 'the steps that left something out of the day; empty: it was asked in full';
