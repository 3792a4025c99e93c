"""What callers rely on of the OpenAPI document; run as a program, it records what is new."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from llm_monitoring.web.context import Service
from llm_monitoring.web.reference import operations
from llm_monitoring.web.service import create_app

FILE: Final = Path(__file__).with_suffix(".json")
Contract = dict[str, dict[str, list[str]]]


def contract(document: Mapping[str, Any]) -> Contract:
    """For each operation what may be sent, what must be sent, and the fields of each answer."""
    found: Contract = {}
    for operation in operations(document):
        sent = [each.name for each in operation.parameters] + [f"body {each.name}" for each in operation.body]
        needed = [each.name for each in operation.parameters if each.is_required]
        needed += [f"body {each.name}" for each in operation.body if each.is_required]
        answers = {f"answer {each.status}": [field.name for field in each.fields] for each in operation.answers}
        found[operation.name] = {
            "may be sent": sent,
            "must be sent": needed,
            "scopes": list(operation.scopes),
            **answers,
        }
    return found


def losses(before: Contract, now: Contract) -> list[str]:
    """What a caller of the document before misses in the one of now, or has to send for the first time."""
    found = []
    for name, parts in before.items():
        if name not in now:
            found.append(name)
            continue
        for part, fields in parts.items():
            given = now[name].get(part)
            missing = [part] if given is None else [f"{part}: {each}" for each in fields if each not in given]
            found += [f"{name} {each}" for each in missing if part not in ("must be sent", "scopes")]
        for part in ("must be sent", "scopes"):
            found += [f"{name} {part}: {each}" for each in now[name][part] if each not in parts[part]]
    return found


def present() -> Contract:
    """The contract of the application as it is."""
    return contract(create_app(cast(Service, None)).openapi())


def main() -> None:
    lost = losses(json.loads(FILE.read_text("utf-8")), present()) if FILE.exists() else []
    if lost:
        raise SystemExit("not recorded: callers would lose\n" + "\n".join(lost))
    FILE.write_text(json.dumps(present(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
