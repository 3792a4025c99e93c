"""The version of the analysis goes up with its rules, so that answers read by former ones are found to be stale."""

from __future__ import annotations

import ast
from hashlib import sha256
from pathlib import Path

from llm_monitoring import analysis
from llm_monitoring.analysis import ANALYSIS_VERSION

FOLDER = Path(analysis.__file__).parent
RECORD = Path(__file__).with_name("rules_version.txt")
NO_RULES = ("sentiment.py", "name_doubts.py", "result.py")


def code_of(path: Path) -> str:
    """A file without docstrings, comment lines and blank lines."""
    source = path.read_text(encoding="utf-8")
    lines = dict(enumerate(source.splitlines(), 1))
    for first, last in docstrings(source) if path.suffix == ".py" else ():
        for number in range(first, last + 1):
            lines.pop(number, None)
    return "\n".join(line for line in lines.values() if line.strip() and not line.strip().startswith("#"))


def docstrings(source: str) -> list[tuple[int, int]]:
    """The first and last line of each text that stands alone."""
    alone = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    texts = [value for value in alone if isinstance(value, ast.Constant) and isinstance(value.value, str)]
    return [(text.lineno, text.end_lineno or text.lineno) for text in texts]


def is_rule(path: Path) -> bool:
    """Whether a file decides how an answer is read."""
    listed = path.suffix in {".py", ".toml"} or path.name == "top_level_domains.txt"
    return listed and path.name not in NO_RULES


def rules_digest() -> str:
    """A digest of the rules: the code that reads answers and its word lists."""
    digest = sha256()
    for path in filter(is_rule, sorted(FOLDER.rglob("*"))):
        digest.update(f"{path.relative_to(FOLDER).as_posix()}\n{code_of(path)}\n".encode())
    return digest.hexdigest()[:16]


def test_rules_do_not_change_without_their_version() -> None:
    """If this fails: raise ANALYSIS_VERSION if an answer may be read otherwise, and record the right-hand side."""
    assert RECORD.read_text(encoding="utf-8").strip() == f"{ANALYSIS_VERSION} {rules_digest()}"


def test_comments_and_docstrings_are_no_rules(tmp_path: Path) -> None:
    """A reworded comment or docstring makes no stored answer stale."""
    former, present = tmp_path / "former.py", tmp_path / "present.py"
    former.write_text('"""One."""\nA = 1\n# two\n\ndef f() -> int:\n    """Three."""\n    return A\n', encoding="utf-8")
    present.write_text('"""1."""\nA = 1\ndef f() -> int:\n    """3\n    and more."""\n    return A\n', encoding="utf-8")
    assert code_of(former) == code_of(present)


def test_a_changed_word_list_is_a_change_of_rules(tmp_path: Path) -> None:
    """Word lists are compared line by line, their comments left out."""
    former, present = tmp_path / "former.toml", tmp_path / "present.toml"
    former.write_text('# words\nconj = ["and"]\n', encoding="utf-8")
    present.write_text('# words\nconj = ["and", "or"]\n', encoding="utf-8")
    assert code_of(former) != code_of(present)
