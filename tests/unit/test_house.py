"""The house rules that a program can check: the size of modules and folders, names, assertions, documents."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("artifact", "training", "export", "server", "bulk", "benchmarks")
LONGEST_MODULE_LINES = 300
LARGEST_FOLDER_MODULES = 16
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}
DOCUMENTS = ["README.md", "ARCHITECTURE.md"]
SUFFIXES = (".py", ".md", ".toml", ".sh", ".yaml", ".txt", ".onnx", ".json", ".parquet")
WRITTEN_BY_STAGES = {"recipe.json", "metrics.json", "validation.parquet"}
"""Files of a checkpoint: documents name them, the repository has none."""

Check = Callable[[ast.AST], Iterator[int]]


def modules(*folders: str) -> list[Path]:
    """Return the modules below some folders of the repository, relative to it."""
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def find_it(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that bind the name ``it``."""
    for node in ast.walk(tree):
        if (isinstance(node, ast.Name) and node.id == "it" and isinstance(node.ctx, ast.Store)) or (
            isinstance(node, ast.arg) and node.arg == "it"
        ):
            yield node.lineno


def find_late_expectations(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of assertions ``actual == literal``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            for part in node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]:
                if (
                    isinstance(part, ast.Compare)
                    and all(isinstance(operator, ast.Eq) for operator in part.ops)
                    and _is_literal(part.comparators[-1])
                    and not _is_literal(part.left)
                ):
                    yield part.lineno


def _is_literal(node: ast.AST) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def offences(check: Check, paths: list[Path]) -> list[str]:
    """Return ``path:line`` of everything that a check finds."""
    return [f"{path}:{line}" for path in paths for line in check(ast.parse((ROOT / path).read_text()))]


def test_no_module_is_longer_than_300_lines() -> None:
    """A longer module has more than one noun in it."""
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in modules(*PACKAGES)}
    assert {} == {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE_LINES}


def test_no_folder_holds_more_than_16_modules() -> None:
    """A larger folder answers more than one question."""
    counts = Counter(str(path.parent) for path in modules(*PACKAGES) if path.name != "__init__.py")
    assert {} == {folder: count for folder, count in counts.items() if count > LARGEST_FOLDER_MODULES}


def test_modules_have_names_that_say_something() -> None:
    """A module for everything that has no place says nothing about itself."""
    assert [] == [str(path) for path in modules(*PACKAGES, "tests", "deploy") if path.stem in NAMELESS]


def test_no_variable_is_called_it() -> None:
    """A loop variable has the name of what it holds."""
    assert [] == offences(find_it, modules(*PACKAGES, "tests", "deploy"))


def test_assertions_have_the_expected_value_first() -> None:
    """Reports of failures then read alike: expected, then actual."""
    assert [] == offences(find_late_expectations, modules("tests"))


@pytest.mark.parametrize(
    ("check", "source", "lines"),
    [
        (find_it, "x = [it for it in y]\nlambda it: it\nit = 1\nitem = 2", [1, 2, 3]),
        (find_late_expectations, "assert x == 1\nassert 1 == x\nassert x == y", [1]),
        (find_late_expectations, "assert x == [(1, 'a')] and y\nassert x <= 1\nassert x == {}", [1, 3]),
        (find_late_expectations, "assert 1 < x == 2\nassert x == y == -1", [2]),
    ],
)
def test_a_check_finds_offences(check: Check, source: str, lines: list[int]) -> None:
    """Each check reports the lines that break its rule, and no other."""
    assert lines == sorted(check(ast.parse(source)))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_only_files_that_exist(document: str) -> None:
    """Links lead somewhere; a file or folder in a code span exists, if only as the end of a longer path."""
    text = (ROOT / document).read_text()
    links = {link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) if not (ROOT / link).exists()}
    spans = {span for span in re.findall(r"`([\w./-]+)`", text) if span.endswith((*SUFFIXES, "/"))}
    assert set() == links | {span for span in spans - WRITTEN_BY_STAGES if not exists(span)}


def exists(name: str) -> bool:
    """Return whether a path of the repository ends with a name."""
    if (ROOT / name).exists():
        return True
    name = name.rstrip("/")
    folders = (*PACKAGES, "tests", "deploy", "docs", "models", "requirements")
    return any(f"/{path.as_posix()}".endswith(f"/{name}") for folder in folders for path in (ROOT / folder).rglob("*"))
