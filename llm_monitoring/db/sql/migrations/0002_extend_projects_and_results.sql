-- Entities, samples, citations, exact figures. Nothing that a host application stored is lost or rounded.
DROP VIEW IF EXISTS llm_visibility_comparison;

UPDATE llm_monitoring_projects SET competitors = '[]' WHERE competitors IS NULL;
UPDATE llm_monitoring_projects SET language = 'es' WHERE language IS NULL;
UPDATE llm_monitoring_projects SET is_active = FALSE WHERE is_active IS NULL;
UPDATE llm_monitoring_queries SET is_active = FALSE WHERE is_active IS NULL;

ALTER TABLE llm_monitoring_projects
    ALTER COLUMN competitors SET NOT NULL,
    ALTER COLUMN language SET NOT NULL,
    ALTER COLUMN is_active SET NOT NULL,
    ADD COLUMN country              TEXT CHECK (country ~ '^[A-Z]{2}$'),
    ADD COLUMN web_search           BOOLEAN  NOT NULL DEFAULT FALSE,
    ADD COLUMN samples_per_query    SMALLINT NOT NULL DEFAULT 1 CHECK (samples_per_query BETWEEN 1 AND 20),
    ADD COLUMN brand_aliases        TEXT[]   NOT NULL DEFAULT '{}',
    ADD COLUMN brand_domains        TEXT[]   NOT NULL DEFAULT '{}',
    ADD COLUMN brand_exclude        TEXT[]   NOT NULL DEFAULT '{}',
    ADD COLUMN brand_case_sensitive BOOLEAN  NOT NULL DEFAULT FALSE;

ALTER TABLE llm_monitoring_queries ALTER COLUMN is_active SET NOT NULL;

CREATE TABLE llm_monitoring_analysis_runs (
    id             BIGSERIAL PRIMARY KEY,
    analysis_date  DATE        NOT NULL,
    status         TEXT        NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'completed', 'warnings', 'aborted', 'crashed', 'dead')),
    owner          TEXT        NOT NULL,
    started_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    finished_at    TIMESTAMPTZ,
    valid_results  INTEGER     NOT NULL DEFAULT 0,
    failed_tasks   INTEGER     NOT NULL DEFAULT 0,
    pending_tasks  INTEGER     NOT NULL DEFAULT 0,
    total_cost_usd NUMERIC(18, 10) NOT NULL DEFAULT 0,
    message        TEXT
);

-- Generated names of unique constraints differ between databases, so the old ones are found by their columns.
DO $$
DECLARE
    old RECORD;
BEGIN
    FOR old IN SELECT conrelid::regclass AS tab, conname FROM pg_constraint
               WHERE contype = 'u' AND conrelid IN ('llm_monitoring_results'::regclass, 'llm_monitoring_snapshots'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', old.tab, old.conname);
    END LOOP;
END $$;

ALTER TABLE llm_monitoring_results
    ALTER COLUMN cost_usd TYPE NUMERIC(18, 10),
    ADD COLUMN sample            SMALLINT NOT NULL DEFAULT 1 CHECK (sample >= 1),
    ADD COLUMN model_id          VARCHAR(100),
    ADD COLUMN run_id            BIGINT REFERENCES llm_monitoring_analysis_runs (id) ON DELETE SET NULL,
    ADD COLUMN attempt_id        UUID UNIQUE,
    ADD COLUMN branded           BOOLEAN  NOT NULL DEFAULT FALSE,
    ADD COLUMN mention_order     INTEGER,
    ADD COLUMN ranking_kind      TEXT,
    ADD COLUMN competitor_positions JSONB NOT NULL DEFAULT '{}',
    ADD COLUMN citations         JSONB    NOT NULL DEFAULT '[]',
    ADD COLUMN sources           JSONB    NOT NULL DEFAULT '[]',
    ADD COLUMN brand_cited       BOOLEAN  NOT NULL DEFAULT FALSE,
    ADD COLUMN competitors_cited JSONB    NOT NULL DEFAULT '{}',
    ADD COLUMN finish_reason     TEXT,
    ADD COLUMN sentiment_status  TEXT     NOT NULL DEFAULT 'none'
        CHECK (sentiment_status IN ('none', 'pending', 'scored', 'failed')),
    ADD COLUMN sentiment_reason  TEXT,
    ADD COLUMN analysis_version  TEXT,
    ADD CONSTRAINT llm_monitoring_results_task_key
        UNIQUE (project_id, query_id, llm_provider, analysis_date, sample);
UPDATE llm_monitoring_results SET model_id = model_used;

CREATE INDEX llm_monitoring_results_cell
    ON llm_monitoring_results (project_id, analysis_date, llm_provider);
CREATE INDEX llm_monitoring_results_pending_sentiment
    ON llm_monitoring_results (analysis_date) WHERE sentiment_status = 'pending';

CREATE TABLE llm_monitoring_failed_tasks (
    project_id    INTEGER     NOT NULL REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    query_id      INTEGER     NOT NULL REFERENCES llm_monitoring_queries (id) ON DELETE CASCADE,
    llm_provider  VARCHAR(50) NOT NULL,
    analysis_date DATE        NOT NULL,
    sample        SMALLINT    NOT NULL,
    model_id      VARCHAR(100),
    reason        TEXT        NOT NULL,
    message       TEXT        NOT NULL,
    final         BOOLEAN     NOT NULL,
    run_id        BIGINT REFERENCES llm_monitoring_analysis_runs (id) ON DELETE SET NULL,
    failed_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, query_id, llm_provider, analysis_date, sample)
);
COMMENT ON COLUMN llm_monitoring_failed_tasks.final IS 'paid for and answered without a usable answer: not asked again that day';

ALTER TABLE llm_monitoring_snapshots
    ALTER COLUMN total_cost_usd TYPE NUMERIC(18, 10),
    ALTER COLUMN avg_position TYPE NUMERIC(8, 2),
    ADD COLUMN model_id                VARCHAR(100) NOT NULL DEFAULT '',
    ADD COLUMN models_served           TEXT[]       NOT NULL DEFAULT '{}',
    ADD COLUMN model_changed           BOOLEAN      NOT NULL DEFAULT FALSE,
    ADD COLUMN failed_queries          INTEGER      NOT NULL DEFAULT 0 CHECK (failed_queries >= 0),
    ADD COLUMN mention_rate_low        NUMERIC(5, 2),
    ADD COLUMN mention_rate_high       NUMERIC(5, 2),
    ADD COLUMN weighted_share_of_voice NUMERIC(5, 2),
    ADD COLUMN citation_rate           NUMERIC(5, 2),
    ADD COLUMN branded_total_queries   INTEGER      NOT NULL DEFAULT 0,
    ADD COLUMN branded_total_mentions  INTEGER      NOT NULL DEFAULT 0,
    ADD COLUMN updated_at              TIMESTAMPTZ  NOT NULL DEFAULT now(),
    ADD CONSTRAINT llm_monitoring_snapshots_cell_key
        UNIQUE (project_id, llm_provider, snapshot_date, model_id);

CREATE VIEW llm_visibility_comparison AS
SELECT s.project_id,
       s.snapshot_date,
       p.brand_name,
       avg(s.mention_rate)   AS avg_mention_rate_all_llms,
       avg(s.share_of_voice) AS avg_share_of_voice,
       sum(s.total_cost_usd) AS total_cost_all_llms
FROM llm_monitoring_snapshots s
         JOIN llm_monitoring_projects p ON p.id = s.project_id
GROUP BY s.project_id, s.snapshot_date, p.brand_name;
