-- Without a declared site nothing was measured: a citation rate of such a project is no figure.
UPDATE llm_monitoring_snapshots s
SET citation_rate = NULL
FROM llm_monitoring_projects p
WHERE p.id = s.project_id AND cardinality(p.brand_domains) = 0 AND s.citation_rate IS NOT NULL;
