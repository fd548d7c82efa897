"""Data flows one way: a room imports only the rooms above it."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "elsa_groups"
ROOMS = (
    *("base", "data", "model", "similarity", "groups", "measures", "settings"),
    *("record", "tracking", "report", "commands", "cli"),
)
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(node.module or "")
    return found


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    rooms = {name.split(".")[1] for name in imports_of(path) if name.startswith("elsa_groups.")} & set(ROOMS)
    assert {room for room in rooms if ROOMS.index(room) > ROOMS.index(room_of(path))} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_only_cli_knows_hydra_and_only_tracking_knows_mlflow(path: Path) -> None:
    libraries = {name.split(".")[0] for name in imports_of(path)}
    room = room_of(path)
    assert not libraries & {"hydra", "omegaconf"} or room == "cli"
    assert "mlflow" not in libraries or room == "tracking"


def test_every_room_is_known() -> None:
    assert {room_of(path) for path in MODULES} == set(ROOMS)
