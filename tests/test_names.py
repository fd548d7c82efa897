"""A name says one thing: no two public classes or functions of the package share theirs."""

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "elsa_groups"
# Every entry point has the first, every command the second, and those that draw from a parent the third.
OF_COMMANDS = {"main", "run", "find_parent"}


def public_names(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in body if isinstance(node, kinds) and not node.name.startswith("_")}


def test_public_names_are_unique() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        for name in public_names(path) - OF_COMMANDS:
            places[name].append(path.relative_to(SOURCE).as_posix())
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}
