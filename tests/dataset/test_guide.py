"""The guide names every reason and every note that the code can write into a manifest, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from fastblur import dataset
from fastblur.dataset.files import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GUIDE = Path(__file__).parents[2] / "docs" / "dataset.md"
SOURCES = sorted(Path(dataset.__file__).parent.rglob("*.py"))
PROBLEM = re.compile(r"([a-z]+(?:-[a-z]+)+): ")


def nodes(*modules: str) -> Iterator[ast.AST]:
    """Everything in the source of these modules, or of all."""
    for path in SOURCES:
        if not modules or path.stem in modules:
            yield from ast.walk(ast.parse(path.read_text()))


def text_of(node: ast.AST) -> str:
    """What a string begins with; empty for anything else."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def reasons_in_code() -> set[str]:
    found: set[str] = set(get_args(errors.Reason))
    for node in nodes():
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "LeftOut" and node.args:
                found.add(text_of(node.args[0]))
            found |= {text_of(keyword.value) for keyword in node.keywords if keyword.arg == "reason"}
        if isinstance(node, ast.Dict):
            keys = [key and text_of(key) for key in node.keys]
            found |= {text_of(value) for key, value in zip(keys, node.values, strict=True) if key == "reason"}
    # The modules that find and match files write problems as "reason: detail".
    problems = (PROBLEM.match(text_of(node)) for node in nodes("tree", "index"))
    return (found | {problem[1] for problem in problems if problem is not None}) - {""}


def notes_in_code() -> set[str]:
    found: set[str] = set()
    for node in nodes():
        values: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            values = node.args if isinstance(node.func.value, ast.Name) and node.func.value.id == "notes" else []
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            values = node.value.elts if any(ast.unparse(target) == "notes" for target in node.targets) else []
        found |= {text_of(value).partition(":")[0] for value in values}
    return found - {""}


def slugs_in_guide(heading: str) -> set[str]:
    """The slugs in the first column of the table that begins with `heading`."""
    rows = GUIDE.read_text().partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return {slug for row in rows for slug in re.findall(r"`([a-z-]+)", row.split("|")[1])}


@pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not part of an installed package")
@pytest.mark.parametrize(("heading", "in_code"), [("reason", reasons_in_code), ("note", notes_in_code)])
def test_the_guide_and_the_code_agree(heading: str, in_code: Callable[[], set[str]]) -> None:
    assert slugs_in_guide(heading) == in_code()
