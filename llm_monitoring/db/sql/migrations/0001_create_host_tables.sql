-- The tables as host applications hold them; on such a database nothing here changes anything.
CREATE TABLE IF NOT EXISTS users (
    id    SERIAL PRIMARY KEY,
    email VARCHAR(255) UNIQUE NOT NULL
);

CREATE TABLE IF NOT EXISTS llm_monitoring_projects (
    id                 SERIAL PRIMARY KEY,
    user_id            INTEGER REFERENCES users (id) ON DELETE CASCADE,
    name               VARCHAR(255) NOT NULL,
    brand_name         VARCHAR(255) NOT NULL CHECK (char_length(brand_name) >= 2),
    industry           VARCHAR(255) NOT NULL,
    enabled_llms       TEXT[]       DEFAULT ARRAY ['openai', 'anthropic', 'google', 'perplexity'],
    competitors        JSONB        DEFAULT '[]'::JSONB,
    language           VARCHAR(10)  DEFAULT 'es',
    queries_per_llm    INTEGER      DEFAULT 15 CHECK (queries_per_llm BETWEEN 5 AND 60),
    is_active          BOOLEAN      DEFAULT TRUE,
    last_analysis_date TIMESTAMP,
    created_at         TIMESTAMP    DEFAULT now(),
    updated_at         TIMESTAMP    DEFAULT now(),
    UNIQUE (user_id, name)
);

CREATE TABLE IF NOT EXISTS llm_monitoring_queries (
    id         SERIAL PRIMARY KEY,
    project_id INTEGER REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    query_text TEXT NOT NULL CHECK (char_length(query_text) >= 1),
    language   VARCHAR(10) DEFAULT 'es',
    query_type VARCHAR(50) DEFAULT 'general',
    is_active  BOOLEAN     DEFAULT TRUE,
    added_at   TIMESTAMP   DEFAULT now(),
    UNIQUE (project_id, query_text)
);

CREATE TABLE IF NOT EXISTS llm_monitoring_results (
    id                       SERIAL PRIMARY KEY,
    project_id               INTEGER REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    query_id                 INTEGER REFERENCES llm_monitoring_queries (id) ON DELETE CASCADE,
    analysis_date            DATE         NOT NULL,
    llm_provider             VARCHAR(50)  NOT NULL,
    model_used               VARCHAR(100),
    query_text               TEXT         NOT NULL,
    brand_name               VARCHAR(255) NOT NULL,
    brand_mentioned          BOOLEAN        DEFAULT FALSE,
    mention_count            INTEGER        DEFAULT 0 CHECK (mention_count >= 0),
    mention_contexts         TEXT[]         DEFAULT ARRAY []::TEXT[],
    appears_in_numbered_list BOOLEAN        DEFAULT FALSE,
    position_in_list         INTEGER,
    total_items_in_list      INTEGER,
    sentiment                VARCHAR(50),
    sentiment_score          NUMERIC(3, 2),
    competitors_mentioned    JSONB          DEFAULT '{}'::JSONB,
    full_response            TEXT,
    response_length          INTEGER,
    tokens_used              INTEGER,
    input_tokens             INTEGER,
    output_tokens            INTEGER,
    cost_usd                 NUMERIC(10, 6) CHECK (cost_usd >= 0),
    response_time_ms         INTEGER,
    created_at               TIMESTAMP      DEFAULT now(),
    UNIQUE (project_id, query_id, llm_provider, analysis_date)
);

CREATE TABLE IF NOT EXISTS llm_monitoring_snapshots (
    id                        SERIAL PRIMARY KEY,
    project_id                INTEGER REFERENCES llm_monitoring_projects (id) ON DELETE CASCADE,
    snapshot_date             DATE        NOT NULL,
    llm_provider              VARCHAR(50) NOT NULL,
    total_queries             INTEGER     NOT NULL CHECK (total_queries >= 0),
    total_mentions            INTEGER        DEFAULT 0,
    mention_rate              NUMERIC(5, 2) CHECK (mention_rate BETWEEN 0 AND 100),
    avg_position              NUMERIC(5, 2),
    appeared_in_top3          INTEGER        DEFAULT 0,
    appeared_in_top5          INTEGER        DEFAULT 0,
    appeared_in_top10         INTEGER        DEFAULT 0,
    total_competitor_mentions INTEGER        DEFAULT 0,
    share_of_voice            NUMERIC(5, 2) CHECK (share_of_voice BETWEEN 0 AND 100),
    competitor_breakdown      JSONB          DEFAULT '{}'::JSONB,
    positive_mentions         INTEGER        DEFAULT 0,
    neutral_mentions          INTEGER        DEFAULT 0,
    negative_mentions         INTEGER        DEFAULT 0,
    avg_sentiment_score       NUMERIC(3, 2),
    avg_response_time_ms      INTEGER,
    total_cost_usd            NUMERIC(10, 4),
    total_tokens              INTEGER,
    created_at                TIMESTAMP      DEFAULT now(),
    UNIQUE (project_id, llm_provider, snapshot_date)
);

CREATE TABLE IF NOT EXISTS user_llm_api_keys (
    id                           SERIAL PRIMARY KEY,
    user_id                      INTEGER UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    openai_api_key_encrypted     TEXT,
    anthropic_api_key_encrypted  TEXT,
    google_api_key_encrypted     TEXT,
    perplexity_api_key_encrypted TEXT,
    monthly_budget_usd           NUMERIC(10, 2) DEFAULT 100.00 CHECK (monthly_budget_usd > 0),
    current_month_spend          NUMERIC(10, 4) DEFAULT 0 CHECK (current_month_spend >= 0),
    spending_alert_threshold     NUMERIC(5, 2)  DEFAULT 80.0 CHECK (spending_alert_threshold BETWEEN 0 AND 100),
    last_spend_reset             TIMESTAMP      DEFAULT now(),
    created_at                   TIMESTAMP      DEFAULT now(),
    updated_at                   TIMESTAMP      DEFAULT now()
);

CREATE TABLE IF NOT EXISTS llm_model_registry (
    id                        SERIAL PRIMARY KEY,
    llm_provider              VARCHAR(50)  NOT NULL,
    model_id                  VARCHAR(100) NOT NULL,
    model_display_name        VARCHAR(255),
    cost_per_1m_input_tokens  NUMERIC(10, 4),
    cost_per_1m_output_tokens NUMERIC(10, 4),
    max_tokens                INTEGER,
    max_output_tokens         INTEGER,
    supports_vision           BOOLEAN        DEFAULT FALSE,
    supports_functions        BOOLEAN        DEFAULT FALSE,
    is_current                BOOLEAN        DEFAULT FALSE,
    is_available              BOOLEAN        DEFAULT TRUE,
    detected_at               TIMESTAMP      DEFAULT now(),
    last_used_at              TIMESTAMP,
    total_queries             INTEGER        DEFAULT 0,
    total_tokens_consumed     BIGINT         DEFAULT 0,
    total_cost                NUMERIC(12, 4) DEFAULT 0,
    created_at                TIMESTAMP      DEFAULT now(),
    updated_at                TIMESTAMP      DEFAULT now(),
    UNIQUE (llm_provider, model_id)
);
