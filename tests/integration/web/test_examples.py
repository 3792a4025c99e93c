"""The examples of docs/api.md, copied one by one into a shell next to the served demo."""

from __future__ import annotations

import json
import os
import re
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import reachable_folder
from tests.fork_server import ROOT
from tests.integration.web.demo_process import served_demo

END = "--- end of an example ---"


def examples() -> list[str]:
    """The blocks of the page's section, in their order."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Examples\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def outputs() -> dict[str, str]:
    """What each example prints, by the last part of its path; the first of equal parts has the bare name."""
    with reachable_folder() as folder, served_demo(Path(folder)) as (_, variables):
        script = "set -eo pipefail\n" + "".join(f"{block}echo; echo '{END}'\n" for block in examples())
        done = subprocess.run(
            ["bash"],
            input=script,
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert 0 == done.returncode
    assert "" == done.stderr
    return named(examples(), done.stdout.split(END))


def named(blocks: list[str], printed: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for block, text in zip(blocks, printed, strict=False):
        (path,) = re.findall(r'"\$API/([^"]*)"', block)
        name = f"{'sent to ' if ' -d ' in block or '-X POST' in block else ''}{path.replace('$', '')}"
        found[name] = text.strip()
    return found


def body(outputs: dict[str, str], name: str) -> Any:
    return json.loads(outputs[name])


def test_every_example_is_run(outputs: dict[str, str]) -> None:
    """None stands for another, and each prints something."""
    assert len(examples()) == len(outputs)
    assert [] == [name for name, text in outputs.items() if not text]


def test_the_demo_is_called_with_its_token(outputs: dict[str, str]) -> None:
    """As the demo's user, who sees the two sample projects."""
    assert "demo@agency.example" == body(outputs, "me")["email"]
    assert ["Quipu (ES)", "Pipedrive (US)"] == [row["name"] for row in body(outputs, "projects")["data"]]


def test_a_project_gets_prompts_and_a_price(outputs: dict[str, str]) -> None:
    """Two prompts at two providers are four calls, with a ceiling above nothing."""
    assert outputs["sent to projects"].isdigit()
    assert {"added": 2, "known": 0} == body(outputs, "sent to projects/PROJECT/prompts")
    cost = body(outputs, "sent to projects/PROJECT/analyze?dry_run=true")
    assert "open" == cost["status"]
    assert 4 == cost["open_calls"]
    assert Decimal(cost["ceiling_usd"]) > 0


def test_a_list_is_replaced_by_those_who_saw_it(outputs: dict[str, str]) -> None:
    """With the ETag that the shell kept."""
    assert re.fullmatch(r'"[0-9a-f]{32}"', outputs["projects/PROJECT/competitors"])
    replaced = body(outputs, "sent to projects/PROJECT/competitors")["data"]
    assert ["Salesforce"] == [each["name"] for each in replaced]


def test_an_order_ends_with_answers_and_figures(outputs: dict[str, str]) -> None:
    """All four are answered; each provider has the day's figures, with bounds."""
    order = body(outputs, "projects/PROJECT/orders/ORDER")
    assert "completed" == order["status"]
    assert 4 == order["answered"]
    assert 0 == order["failed"]
    assert 4 == len(body(outputs, "projects/PROJECT/results?limit=10")["data"])
    chosen = body(outputs, "projects/PROJECT/results?mentioned=true&provider=perplexity")["data"]
    assert {("perplexity", True)} >= {(row["llm_provider"], row["brand_mentioned"]) for row in chosen}
    file = outputs["projects/PROJECT/exports/results?format=csv&provider=perplexity"].splitlines()
    assert "id,analysis_date" == file[0][:16]
    assert all(",perplexity," in line for line in file[1:2])
    figures = body(outputs, "projects/PROJECT/snapshots")["data"]
    assert {"openai", "perplexity"} == {row["llm_provider"] for row in figures}
    assert all(row["mention_rate_low"] <= row["mention_rate"] <= row["mention_rate_high"] for row in figures)


def test_a_key_is_seen_by_its_last_four_characters(outputs: dict[str, str]) -> None:
    """Nothing that is printed holds more of it."""
    assert "7f3Q" == body(outputs, "sent to api-keys")["last_four"]
    (google,) = [each for each in body(outputs, "api-keys") if each["provider"] == "google"]
    assert "user" == google["source"]
    assert "7f3Q" == google["last_four"]
    assert "no-real-key" not in "".join(outputs.values())


def test_the_budget_and_the_record(outputs: dict[str, str]) -> None:
    """Spend is below the budget, each amount without an exponent; every change of the examples is recorded."""
    budget = body(outputs, "budget")
    assert 0 < Decimal(budget["spent_usd"]) < Decimal(budget["budget_usd"])
    assert [] == re.findall(r'"-?[0-9.]+E[+-]?[0-9]+"', outputs["budget"])
    recorded = {row["action"] for row in body(outputs, "audit?limit=10")["data"]}
    made = {"person.invite", "token.create", "project.create", "prompts.add", "order.place", "key.store"}
    assert made | {"competitors.replace"} == recorded
