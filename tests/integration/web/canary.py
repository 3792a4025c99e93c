"""Fills one user's rows with a canary in every column that holds text, and looks for it in all that another may get."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from llm_monitoring.db.failures import Conflict, Rejected
from llm_monitoring.db.scoped import in_transaction
from llm_monitoring.web.mcp_tools import TOOLS
from llm_monitoring.web.pages.routes import ROUTERS as PAGES
from tests.integration.stored import Book
from tests.integration.web.test_isolation import PLACES, operations, send
from tests.integration.web.test_results import DAYS
from tests.integration.web.world import World, sign_in

CANARY: Final = "Canario7Bea"
FORMS: Final = re.compile(CANARY, re.IGNORECASE)
TEXT_COLUMNS: Final = """
SELECT c.relname AS tab, a.attname AS col, format_type(a.atttypid, NULL) AS kind, a.atttypmod - 4 AS longest,
       (SELECT array_agg(o.attname) FROM pg_attribute o
        WHERE o.attrelid = c.oid AND o.attname IN ('user_id', 'project_id') AND NOT o.attisdropped) AS owners
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND a.attgenerated = ''
  AND format_type(a.atttypid, NULL) IN ('text', 'text[]', 'jsonb', 'character varying')
ORDER BY 1, 2
"""
MARK: Final = r"%(canary)s || regexp_replace(ctid::text, '\D', '', 'g')"  # of each row another, for unique columns
VALUES: Final = {
    "text": MARK,
    "text[]": f"ARRAY[{MARK}]",
    "jsonb": f"jsonb_build_object({MARK}, 1)",
    "character varying": MARK,
}
KEPT: Final = {  # filled as they need it: an address, and what says by which names a row was read
    ("users", "email"),
    ("llm_prompt_tags", "tag"),
    ("llm_monitoring_results", "rules_fingerprint"),
    ("llm_monitoring_snapshots", "rules_fingerprint"),
}


def fill(world: World) -> set[tuple[str, str]]:
    """Give Bea rows of every kind, and put the canary in their texts; return the columns that hold it."""
    bea, path = world.texts["bea"], f"/projects/{world.foreign}"
    book = Book(world.db, world.foreign)
    for day in DAYS:
        book.store(0, day, f"1. Quipu\n2. Holded {CANARY}", citations=[f"https://{CANARY}.example/x"])
    book.figures(*DAYS)
    sent: list[tuple[str, str, Any]] = [
        ("POST", f"{path}/prompts", {"prompts": [{"query_text": f"¿{CANARY}?", "tags": [CANARY]}]}),
        ("POST", f"{path}/competitors", {"name": CANARY, "domains": [f"{CANARY}.example"]}),
        ("POST", f"{path}/notes", {"day": str(DAYS[0]), "text": CANARY}),
        ("PUT", f"{path}/sources/{CANARY.lower()}.example/kinds", {"kind": "forum"}),
        ("POST", "/projects", {"name": CANARY, "brand": {"name": CANARY}, "industry": CANARY}),
        ("PUT", "/api-keys", {"provider": "openai", "api_key": f"sk-proj-{CANARY}-aaaaaaaaaaaaaaaaaaaaaaaa"}),
    ]
    for method, address, body in sent:
        world.call(method, address, bea, json=body, headers={"Idempotency-Key": address})
    sign_in(world, world.bea)
    budget = world.service.app_of(world.bea).budget
    world.db.execute(
        "INSERT INTO llm_analysis_orders (project_id, user_id, day, open_calls, ceiling_usd)"
        " VALUES (%(project)s, %(user)s, current_date, 1, 1)",
        {"project": world.foreign, "user": world.bea},
    )
    world.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks"
        " (project_id, query_id, llm_provider, analysis_date, sample, final, reason, message)"
        " SELECT project_id, id, 'openai', current_date, 1, TRUE, 'http_error', %(canary)s FROM llm_monitoring_queries"
        " WHERE project_id = %(project)s",
        {"project": world.foreign, "canary": CANARY},
    )
    budget.ensure_account(world.bea)
    world.db.execute("UPDATE users SET email = %(mail)s WHERE id = %(id)s", {"mail": f"{CANARY}@x.es", "id": world.bea})
    return {(row["tab"], row["col"]) for row in world.db.all(TEXT_COLUMNS) if mark(world, row)} | KEPT


def mark(world: World, row: dict[str, Any]) -> bool:
    """Put the canary in a column of Bea's rows; False if she has none there, or the column takes codes alone."""
    if (row["tab"], row["col"]) in KEPT or not row["owners"] or 0 < row["longest"] < len(CANARY) + 8:
        return False
    owner = " OR ".join(f"{each} = %({each})s" for each in row["owners"])
    params = {"canary": CANARY, "user_id": world.bea, "project_id": world.foreign}
    sql = f"UPDATE {row['tab']} SET {row['col']} = {VALUES[row['kind']]} WHERE {owner}"
    try:
        return in_transaction(world.db, lambda db: db.execute(sql, params)) > 0
    except (Conflict, Rejected):
        return False


def answers(world: World) -> Iterator[tuple[str, str]]:
    """All that Ana may get: of every operation, tool and page, on her own project, on Bea's and on a missing one."""
    world.service.export_rate.limit = 1_000
    projects = (world.project, world.foreign, 999_999)
    for method, path, _ in operations(world):
        for project in projects if "{project_id}" in path else projects[:1]:
            if method == "GET" or project != world.project:
                found = send(world, method, path, world.texts["ana"], project)
                yield f"{method} {path}", f"{found.headers} {found.text}"
    for name in TOOLS:
        for project in projects:
            given = {"project_id": project, "answer_id": 1}
            known = {each: given[each] for each in given if each in TOOLS[name].arguments.model_fields}
            yield f"tool {name}", tool(world, name, known)
    session = sign_in(world, world.ana)
    for router in PAGES:
        for route in router.routes:
            if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
                for project in projects:
                    numbers = dict.fromkeys(route.param_convertors, 1) | PLACES | {"project_id": project}
                    found = world.open(route.path_format.format(**numbers), session)
                    yield route.path, f"{found.headers} {found.text}"


def tool(world: World, name: str, arguments: dict[str, Any]) -> str:
    """What a tool gives over HTTP."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = {"Authorization": f"Bearer {world.texts['ana']}", "Accept": "application/json, text/event-stream"}
    found = world.http.post("/mcp", json=asked, headers=headers)
    assert 200 == found.status_code, (name, found.text)
    return str(found.text)


def seen(world: World, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Where the canary shows."""
    with caplog.at_level(logging.DEBUG):
        found = [where for where, text in answers(world) if FORMS.search(text)]
    lines = [str(record.__dict__) for record in caplog.records if record.name.startswith(("llm_monitoring", "uvicorn"))]
    return found + [line for line in lines if FORMS.search(line)]
