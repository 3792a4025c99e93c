"""Prompts with tags as a sheet: exported, edited and imported again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.command_line import Cli

SHEET = 'query,language,type,tags\n"¿Cuál, si hay?",es,general,Precios|pymes\n¿Y para autónomos?,,,\n'


def tags_of(cli: Cli) -> dict[str, list[str]]:
    return {row["query_text"]: row["tags"] for row in cli.json("queries", "list", "1")}


def test_tags_are_imported_and_exported(cli: Cli, quipu: int, tmp_path: Path) -> None:
    """What is exported is read again: nothing is new."""
    (tmp_path / "a.csv").write_text(SHEET, encoding="utf-8")
    assert "precios, pymes" in cli.done("queries", "import", "1", str(tmp_path / "a.csv"), "--dry-run")
    cli.done("queries", "import", "1", str(tmp_path / "a.csv"), "--yes")
    assert {"¿Cuál, si hay?": ["precios", "pymes"], "¿Y para autónomos?": []} == tags_of(cli)
    exported = cli.done("queries", "export", "1")
    lines = exported.splitlines()
    assert ["query,language,type,tags,active", '"¿Cuál, si hay?",es,general,precios|pymes,true'] == lines[:2]
    (tmp_path / "b.csv").write_text(exported, encoding="utf-8")
    assert "0 new, 2 skipped" in cli.done("queries", "import", "1", str(tmp_path / "b.csv"), "--dry-run")


@pytest.mark.parametrize("tags", ["a" * 51, "|".join(f"t{n}" for n in range(21))], ids=["long", "many"])
def test_a_line_with_wrong_tags_is_named(cli: Cli, quipu: int, tmp_path: Path, tags: str) -> None:
    """And nothing is stored."""
    (tmp_path / "a.csv").write_text(f"query,tags\nUno,x\nDos,{tags}\n", encoding="utf-8")
    assert "line 3" in cli.refused("queries", "import", "1", str(tmp_path / "a.csv"), "--yes")
    assert {} == tags_of(cli)


@pytest.mark.short(every=2)
@pytest.mark.parametrize("title", ["tag", "Etiquetas", "Schlagwörter", "étiquettes"])
def test_the_column_of_tags_is_known_in_other_languages(cli: Cli, quipu: int, tmp_path: Path, title: str) -> None:
    """By its title."""
    (tmp_path / "a.csv").write_text(f"query,{title}\nUno,Precios; pymes\n", encoding="utf-8")
    cli.done("queries", "import", "1", str(tmp_path / "a.csv"), "--yes")
    assert {"Uno": ["precios", "pymes"]} == tags_of(cli)


def test_a_paused_prompt_comes_back_paused(cli: Cli, quipu: int, tmp_path: Path) -> None:
    """In a copy of the project too: nothing is asked and paid that was not."""
    cli.done("queries", "add", "1", "Uno", "Dos")
    cli.done("queries", "pause", "1", "2")
    sheet = tmp_path / "a.csv"
    sheet.write_text(cli.done("queries", "export", "1"), encoding="utf-8")
    cli.done("projects", "add", "1", "Copy", "--brand", "Quipu", "--industry", "software")
    cli.done("queries", "import", "2", str(sheet), "--yes")
    assert {"Uno": True, "Dos": False} == active(cli, "2")


def test_active_is_read_as_spreadsheets_write_it(cli: Cli, quipu: int, tmp_path: Path) -> None:
    """In the language of who uses them; an empty cell is an active prompt."""
    (tmp_path / "a.csv").write_text("prompt;Activa\nA;VERDADERO\nB;FALSO\nC;sí\nD;No\nE;\nF;WAHR\nG;FALSCH\n", "utf-8")
    cli.done("queries", "import", "1", str(tmp_path / "a.csv"), "--yes")
    assert dict(zip("ABCDEFG", (True, False, True, False, True, True, False), strict=True)) == active(cli, "1")


def test_a_line_that_is_neither_active_nor_paused_is_named(cli: Cli, quipu: int, tmp_path: Path) -> None:
    """And nothing is stored."""
    (tmp_path / "a.csv").write_text("prompt,active\nUno,true\nDos,perhaps\n", encoding="utf-8")
    refused = cli.refused("queries", "import", "1", str(tmp_path / "a.csv"), "--yes")
    assert "line 3: 'perhaps' under “active” is neither true nor false" in refused
    assert {} == active(cli, "1")


def active(cli: Cli, project: str) -> dict[str, bool]:
    return {row["query_text"]: row["is_active"] for row in cli.json("queries", "list", project)}


HARD = ["=¿Cuál es mejor?", "-¿Y barato?", "@quipu, ¿vale la pena?", "'=1+1 en Excel?", "¿A; =B o C?", "+34 o +35; -x"]


def test_prompts_that_a_spreadsheet_would_run_come_back_as_they_were(
    cli: Cli,
    quipu: int,
    tmp_path: Path,
) -> None:
    """The sheet guards them with apostrophes, and the import takes away exactly these."""
    cli.done("queries", "add", "1", "--", *HARD)
    sheet = tmp_path / "a.csv"
    sheet.write_text(cli.done("queries", "export", "1"), encoding="utf-8")
    assert "0 new, 6 skipped" in cli.done("queries", "import", "1", str(sheet), "--dry-run")
    cli.done("projects", "add", "1", "Copy", "--brand", "Quipu", "--industry", "software")
    cli.done("queries", "import", "2", str(sheet), "--yes")
    assert HARD == [row["query_text"] for row in cli.json("queries", "list", "2")]


@pytest.mark.parametrize("text", ['"Best" CRM?\nWhich one?\n', 'Is "X" good?\n"Y" or Z?\n'])
def test_lines_that_are_no_csv_are_prompts(cli: Cli, quipu: int, tmp_path: Path, text: str) -> None:
    """A line that begins with a quoted word is a prompt as any other."""
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    cli.done("queries", "import", "1", str(tmp_path / "a.txt"), "--yes")
    assert set(text.splitlines()) == tags_of(cli).keys()
