"""The pages for people: what they name exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from llm_monitoring.cli.root import root
from llm_monitoring.registry.pricing import SEARCH_RESULT_TOKENS, SEARCH_TOOL_TOKENS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "bench").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:python -m llm_monitoring|llm-monitoring)((?: [a-z][a-z-]*\b)*)")
QUOTED = re.compile(r"`([a-z]+(?: [a-z-]+\b)*)")
FILE = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")
ENDINGS = (".py", ".toml", ".json", ".md", ".sql", ".txt", ".lock", ".css", "/")
FOR_EXAMPLE = re.compile(r"mistral|NNNN|^\.|^faults\.json$")  # pages of how-to name files that will be
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub writes them."""
    titles = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository finds it, and each anchor its heading."""
    broken = []
    for link in LINK.findall(text_of(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            broken.append(link)
    assert [] == broken


def test_the_readme_is_one_page() -> None:
    """What does not fit has a page in docs."""
    assert len(text_of(ROOT / "README.md").splitlines()) < 110


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """Each command line of a page names commands that there are, with or without the program before them."""
    quoted = [line for line in QUOTED.findall(text_of(page)) if is_command(line.split()[:1])]
    lines = COMMAND.findall(text_of(page)) + quoted
    assert [] == [line for line in lines if not is_command(line.split())]


def is_command(words: list[str]) -> bool:
    group: click.Command | None = root
    for word in words:
        if not isinstance(group, click.Group):
            break  # the rest are arguments
        group = group.get_command(click.Context(group), word)
    return group is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_exist(page: Path) -> None:
    """Each file that a page quotes is there, seen from the repository, the package or the page."""
    quoted = [name for name in FILE.findall(text_of(page)) if name.endswith(ENDINGS) and not FOR_EXAMPLE.search(name)]
    places = (ROOT, ROOT / "llm_monitoring", page.parent)
    assert [] == [name for name in quoted if not any((place / name).exists() for place in places)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    """Each `make TARGET` of a page is a target."""
    targets = set(TARGET.findall(text_of(ROOT / "Makefile")))
    assert set() == set(re.findall(r"`make ([a-z-]+)`", text_of(page))) - targets


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "operations.md"], ids=lambda page: page.name)
def test_the_ceiling_of_a_search_is_that_of_the_code(page: Path) -> None:
    """Both pages name the tokens that a call with web search is reserved for."""
    tokens = [f"{each:,}" for each in (SEARCH_RESULT_TOKENS, SEARCH_TOOL_TOKENS)]
    assert [] == [each for each in tokens if each not in text_of(page)]


def test_make_help_is_complete() -> None:
    """Each target that is called by its name has its line in `make help`."""
    makefile = text_of(ROOT / "Makefile")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(re.findall(r"^([a-z-]+):.* ## \w", makefile, re.MULTILINE))


def test_types_of_the_glossary_exist() -> None:
    """Each type that the glossary names is defined in the folder or module that it names."""
    named = re.findall(r"`(\w+)\.([A-Z]\w+)", text_of(ROOT / "docs" / "glossary.md"))
    assert [] == [f"{place}.{name}" for place, name in named if not is_defined(place, name)]


def is_defined(place: str, name: str) -> bool:
    folder = ROOT / "llm_monitoring" / place
    modules = folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]
    definition = re.compile(rf"^(class {name}\b|{name}\b.*=)", re.MULTILINE)
    return any(definition.search(text_of(module)) for module in modules)


def test_tables_of_the_glossary_exist() -> None:
    """Each table that the glossary names is made by a migration."""
    migrations = "".join(text_of(path) for path in (ROOT / "llm_monitoring" / "db" / "sql" / "migrations").glob("*"))
    made = set(re.findall(r"CREATE (?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", migrations))
    named = re.findall(r"(?:table|view) `(\w+)`", text_of(ROOT / "docs" / "glossary.md"))
    assert set() == set(named) - made


def test_the_picture_of_the_layers() -> None:
    """The picture in docs/architecture.md has the layers that import-linter checks, in their order."""
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["id"] == "layers")
    picture = re.search(r"```\n(.*?)```", text_of(ROOT / "docs" / "architecture.md"), re.DOTALL)
    assert picture is not None
    drawn = [re.split(r"\s{3,}", line.strip())[0] for line in picture[1].splitlines() if line.startswith("  ")]
    assert [layer.translate({ord("("): None, ord(")"): None}) for layer in layers] == ["__main__", *drawn]
