-- The outbox of the digests, and the mark of the budget alerts that were put into it.
CREATE TABLE llm_monitoring_news (
    id           BIGSERIAL PRIMARY KEY,
    kind         TEXT        NOT NULL,
    subject      TEXT        NOT NULL,
    day          DATE        NOT NULL,
    line         TEXT        NOT NULL,
    raised_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    delivered_to TEXT[]      NOT NULL DEFAULT '{}',
    delivered_at TIMESTAMPTZ,
    UNIQUE (kind, subject, day)
);
COMMENT ON COLUMN llm_monitoring_news.delivered_to IS 'marks of the targets that have it; never their addresses, which hold tokens';
COMMENT ON COLUMN llm_monitoring_news.delivered_at IS 'when the last target of the installation had it';
CREATE INDEX llm_monitoring_news_outbox ON llm_monitoring_news (id) WHERE delivered_at IS NULL;

ALTER TABLE llm_budget_alerts ADD COLUMN announced_at TIMESTAMPTZ;
COMMENT ON COLUMN llm_budget_alerts.announced_at IS 'when it was put into the outbox, which delivers it';
