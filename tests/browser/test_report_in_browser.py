"""The demo's reports after thirty simulated days, and a hostile one, opened in headless Chromium."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.app import open_app
from llm_monitoring.reporting.files import ReportWriter
from llm_monitoring.reporting.page import render
from llm_monitoring.reporting.report_data import ReportRequest
from llm_monitoring.reporting.view import view
from llm_monitoring.reporting.words import LANGUAGES
from llm_monitoring.settings.fields import load_settings
from tests.browser.service import CHROMIUM, run
from tests.unit.reporting.scene import BRAND, RIVALS, TEXT, material, project

WAYS = [
    (f"{width}-{scheme}", width, height, scheme)
    for width, height in ((1280, 900), (390, 844))
    for scheme in ("light", "dark")
]
HOSTILE = (
    "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    "[here](javascript:document.title='taken') <svg onload=alert(1)> </main></style> Quipu\n\n"
)


def look(pages: Sequence[tuple[str, Path]], pictures: Path | None = None) -> list[dict[str, Any]]:
    """What a reader would see and a browser would do, for each page in every way of looking."""
    order = {
        "chromium": CHROMIUM,
        "pictures": str(pictures) if pictures else None,
        "pages": [
            {"name": f"{name}-{way}", "file": str(path), "width": width, "height": height, "scheme": scheme}
            for name, path in pages
            for way, width, height, scheme in WAYS
        ],
    }
    found: list[dict[str, Any]] = run("look.mjs", order)
    return found


@pytest.fixture(scope="session")
def demo_pages(thirty_days: str, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    """The pages of the demo's two projects, Spanish and English, after thirty days of the daily run."""
    today, folder = datetime.now(UTC).date(), tmp_path_factory.mktemp("pages")
    settings = load_settings({"DATABASE_URL": thirty_days, "LLM_LOG_LEVEL": "ERROR"}, dotenv=False)
    with open_app(settings) as app:
        writer = ReportWriter(app.db, app.keys, app.budget, today)
        written = [
            (row["language"], writer.write(ReportRequest(row["id"]), folder / f"{row['language']}.html").path)
            for row in projects.overview(app.db)
        ]
    assert ["en", "es"] == sorted(language for language, _ in written)
    return written


def assert_calm(seen: dict[str, Any]) -> None:
    """Nothing in the console, no request but the file, no violation of note, nothing to scroll sideways."""
    assert [] == seen["messages"], seen["name"]
    assert [] == seen["requests"], seen["name"]
    assert 1 == seen["files"], seen["name"]
    assert [] == [each for each in seen["violations"] if each["impact"] in ("serious", "critical")], seen["name"]
    for state in ("closed", "opened"):
        assert seen[state]["width"] <= seen[state]["window"], (seen["name"], state)
    assert [] == seen["between"], seen["name"]


def test_demo_reports(demo_pages: list[tuple[str, Path]], tmp_path: Path) -> None:
    """At desktop and phone width, light and dark, in both languages, the report is calm, accessible and whole."""
    looks = look(demo_pages, tmp_path)
    assert 8 == len(looks)
    for seen in looks:
        assert_calm(seen)
        language = seen["name"][:2]
        assert language == seen["language"]
        figures = re.findall(r"\d+,\d\xa0%" if language == "es" else r"\d+\.\d%", seen["text"])
        assert len(figures) > 100, seen["name"]
        assert {("https:", "nofollow noopener noreferrer")} == {
            (protocol, rel) for protocol, rel in seen["links"] if protocol != "file:"
        }
    grounds = {(seen["name"].rsplit("-", 1)[1], seen["background"]) for seen in looks}
    assert 2 == len(grounds)
    assert 8 == len(list(tmp_path.glob("*.png")))


def test_hostile_report(tmp_path: Path) -> None:
    """Markup, script links, names of 255 letters and a line of a megabyte stay text, on every screen."""
    texts = {0: HOSTILE, 1: "ñ" * 1_000_000, 2: "QuipuHolded" * 90_000}
    long = project(brand=replace(BRAND, name="Q" * 255), rivals=(Entity("W" * 255), *RIVALS))
    own = replace(long, name="<script>document.title = 'taken'</script>" + "x" * 200)
    scene = material(prompts=6, days=12, of=own, text=lambda number: texts.get(number, TEXT))
    (path := tmp_path / "hostile.html").write_text(render(view(scene)), encoding="utf-8")
    for seen in look([("hostile", path)]):
        assert_calm(seen)
        assert "taken" not in seen["title"]
        assert [] == seen["handlers"]
        assert set() == {"script", "img", "iframe", "object", "form"} & set(seen["elements"])
        assert "1.000.000" in seen["text"]
        assert {"file:", "https:"} == {protocol for protocol, _ in seen["links"]}


def test_print_opens_the_answers(tmp_path: Path) -> None:
    """Printed, every answer is on paper, and nothing says to open it or marks it as closed."""
    (path := tmp_path / "print.html").write_text(render(view(material(prompts=5, days=3))), encoding="utf-8")
    seen = look([("print", path)])[0]
    assert [True] * 20 == seen["printed"]["answers"]
    assert 0 == seen["printed"]["hints"]
    assert "none" == seen["printed"]["marker"]


def test_foreign_text_keeps_its_direction(tmp_path: Path) -> None:
    """A Hebrew and an Arabic prompt in an English page run from right to left, and turn nothing around them."""
    texts = ["מה ה-CRM הטוב ביותר?", "ما هو أفضل برنامج CRM?", "What is the best CRM?"]
    own = project("en", brand=Entity("קוויפו"), rivals=(Entity("هولدد"), *RIVALS))
    scene = material(prompts=3, days=3, of=own)
    scene = replace(
        scene, prompts=[{**row, "query_text": text} for row, text in zip(scene.prompts, texts, strict=True)]
    )
    (path := tmp_path / "rtl.html").write_text(render(view(scene)), encoding="utf-8")
    for seen in look([("rtl", path)]):
        assert_calm(seen)
        assert {"prompts": ["rtl", "rtl", "ltr"], "page": "ltr"} == seen["directions"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_calm(language: str, tmp_path: Path) -> None:
    """In every language the report fits a phone and a desktop, accessible and whole."""
    page = render(view(material(prompts=6, days=12, of=project(language))))
    (path := tmp_path / f"{language}.html").write_text(page, encoding="utf-8")
    for seen in look([(language, path)]):
        assert_calm(seen)
        assert language == seen["language"]


def test_policy_holds_without_escaping(tmp_path: Path) -> None:
    """Were markup ever to slip through, the page's policy still runs no script and loads nothing."""
    page = render(view(material(prompts=2, days=2)))
    slipped = page.replace("<main>", f"<main>{HOSTILE}<link rel=stylesheet href=http://127.0.0.1:9/x.css>", 1)
    (path := tmp_path / "slipped.html").write_text(slipped, encoding="utf-8")
    seen = look([("slipped", path)])[0]
    assert "script" in seen["elements"]
    assert "taken" not in seen["title"]
    assert any("Content Security Policy" in message for message in seen["messages"])
    assert not any(message.startswith("dialog") for message in seen["messages"])
