-- What the figures of a period say of the mention rate: the portfolio orders all projects by it, and would read each body.
ALTER TABLE llm_stored_figures ADD COLUMN verdict TEXT
    GENERATED ALWAYS AS (body::jsonb #>> '{view,total,mention_rate,change,verdict}') STORED;
