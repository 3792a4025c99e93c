"""A migrated database has one schema, whether it was empty or held the older form of the tables."""

from __future__ import annotations

from typing import Final

import pytest

from llm_monitoring.db import Database, migrate

OF_THE_HOST: Final = {"users.name", "users.plan"}  # columns of the older schema that no migration creates

OWN: Final = """
n.nspname = 'public' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""

COLUMNS: Final = f"""
SELECT c.relname || '.' || a.attname AS name,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                 pg_get_expr(d.adbin, d.adrelid), a.attidentity::text) AS text
FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'v') AND {OWN}
"""
CONSTRAINTS: Final = f"""
SELECT c.relname || '.' || k.conname AS name, pg_get_constraintdef(k.oid) AS text
FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_constraint k ON k.conrelid = c.oid
WHERE {OWN}
"""
INDEXES: Final = "SELECT indexname AS name, indexdef AS text FROM pg_indexes WHERE schemaname = 'public'"
FUNCTIONS: Final = """
SELECT p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public' AND p.prokind IN ('f', 'p')
"""
TRIGGERS: Final = f"""
SELECT c.relname || '.' || t.tgname AS name, pg_get_triggerdef(t.oid) AS text
FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
WHERE {OWN}
"""
VIEWS: Final = "SELECT viewname AS name, definition AS text FROM pg_views WHERE schemaname = 'public'"
GRANTS: Final = f"""
SELECT c.relname AS name, coalesce(c.relacl::text, '') AS text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'S') AND {OWN}
UNION ALL
SELECT p.oid::regprocedure::text, coalesce(p.proacl::text, '')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'
"""

KINDS: Final = {
    "columns": COLUMNS,
    "constraints": CONSTRAINTS,
    "indexes": INDEXES,
    "functions": FUNCTIONS,
    "triggers": TRIGGERS,
    "views": VIEWS,
    "grants": GRANTS,
}


def schema(url: str, query: str) -> dict[str, str]:
    with Database(url) as db:
        migrate(db)
        return {row["name"]: row["text"] for row in db.all(query) if row["name"] not in OF_THE_HOST}


@pytest.mark.short(every=9)
@pytest.mark.parametrize("kind", KINDS)
def test_the_legacy_schema_becomes_the_schema_of_an_empty_database(
    database_url: str, legacy_database_url: str, kind: str
) -> None:
    """Columns, constraints, indexes, functions, triggers, views and grants are the same after migration."""
    query = KINDS[kind]
    assert schema(database_url, query) == schema(legacy_database_url, query)


def test_tables_have_a_primary_key(db: Database) -> None:
    """In a database that publishes all tables, one without a key takes no UPDATE and no DELETE."""
    without = db.all(
        f"""SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND {OWN}
              AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"""
    )
    assert [] == without
