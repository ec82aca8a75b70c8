"""The shape of the code base, read from its syntax trees: who may import whom, what stays lazy, what is too long."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from searchspaces import SPACES

ROOT = Path(__file__).parent.parent
PACKAGES = ("searchspaces", "nas", "dashboards")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
EVERYTHING = sorted({*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")})

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def imports(source: str, of: str, is_package: bool = False) -> Iterator[str]:
    """Every name that the source of module `of` imports, at once or later."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = of.split(".")
            parents = parts[: len(parts) - node.level + is_package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def imported(path: Path) -> set[str]:
    return set(imports(path.read_text(), name_of(path), path.name == "__init__.py"))


def test_the_reader_of_imports_finds_every_kind() -> None:
    source = """
import os.path, ray
from . import sibling
from ..up import thing
if TYPE_CHECKING:
    import torch
def later():
    from sqlalchemy import select
    importlib.import_module("optuna")
"""
    assert set(imports(source, "nas.store.rows")) == {
        *("os.path", "ray", "nas.store", "nas.store.sibling", "nas.up", "nas.up.thing"),
        *("torch", "sqlalchemy", "sqlalchemy.select", "optuna"),
    }
    assert "nas.store.sibling" in imports("from . import sibling", "nas.store", is_package=True)


# --- directions -----------------------------------------------------------------------------------------------


def offenders(package: str, forbidden: Callable[[str], bool]) -> dict[str, list[str]]:
    """The modules of a package that import what is forbidden, with what they import."""
    paths = [path for path in MODULES if within(name_of(path), package)]
    found = {name_of(path): [name for name in sorted(imported(path)) if forbidden(name)] for path in paths}
    return {module: names for module, names in found.items() if names}


def test_searchspaces_needs_the_standard_library_and_numpy_only() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "searchspaces"}
    assert offenders("searchspaces", lambda name: name.partition(".")[0] not in allowed) == {}


def test_nas_does_not_know_the_dashboards() -> None:
    found = offenders("nas", lambda name: within(name, "dashboards"))
    assert list(found) == ["nas.cli.dashboard"]  # the commands that start them


def test_dashboards_know_the_store_the_front_and_the_language_only() -> None:
    def foreign(name: str) -> bool:
        return (
            within(name, "nas")
            and name != "nas"
            and not within(
                name,
                *("nas.store", "nas.pareto", "nas.objectives", "nas.spec", "nas.errors", "nas.drawing"),
                "nas.importance",  # one definition for the dashboard and `nas compare`; it needs numpy only
            )
        )

    assert offenders("dashboards", foreign) == {}


def test_controllers_know_neither_the_store_nor_the_executors() -> None:
    assert offenders("nas.controllers", lambda name: within(name, "nas.store", "nas.executors", "nas.study")) == {}


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("ray", ["nas.executors.ray_tune", "nas.executors.tune_hooks", "nas.retraining.distributed"]),
        # As controllers; and as rivals of ours, which must not go through our adaptors.
        ("optuna", ["nas.controllers.optuna_samplers", "nas.benchmark.rivals"]),
        ("sqlalchemy", ["nas.store"]),
        ("alembic", ["nas.store"]),
        (
            "matplotlib",
            [f"nas.{package}.picture" for package in ("benchmark", "comparison", "evaluation", "reproduction")],
        ),
        ("pygraphviz", ["nas.drawing.layout"]),
    ],
)
def test_a_library_stays_in_its_home(library: str, homes: list[str]) -> None:
    for package in PACKAGES:
        found = offenders(package, lambda name: within(name, library))
        assert [module for module in found if not within(module, *homes)] == []


# --- what stays lazy ------------------------------------------------------------------------------------------

HEAVY = {"torch", "torchvision", "ray", "optuna", "sklearn", "sqlalchemy", "alembic", "PIL", "pandas", "pygraphviz"}


@pytest.mark.parametrize("module", ["nas", "nas.cli", "nas.cli.dashboard", "dashboards.server", "searchspaces"])
def test_importing_is_light(module: str) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert set(run.stdout.split()) & HEAVY == set()


# --- size and names -------------------------------------------------------------------------------------------


@each_module
def test_a_module_is_short_and_says_what_it_is(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 300
    assert not source.strip() or ast.get_docstring(ast.parse(source))


def test_modules_are_named_for_what_they_are_about() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in EVERYTHING if path.stem.strip("_") in empty] == []


# --- no branch on a space's name --------------------------------------------------------------------------------


def branches_on(names: set[str], source: str) -> list[int]:
    """The lines that compare something with one of these names, or match on it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        compared: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            compared = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            compared = [node.value]
        literals = [inner for part in compared for inner in (part, *getattr(part, "elts", ()))]
        if any(isinstance(literal, ast.Constant) and literal.value in names for literal in literals):
            found.append(node.lineno)
    return found


def test_the_reader_of_branches_finds_every_kind() -> None:
    source = "if space.name == 'a': pass\nx = s in ('a', 'b')\nmatch s:\n    case 'a': pass\ny = {'a': 1}\nz = s == 'c'"
    assert sorted(branches_on({"a"}, source)) == [1, 2, 4]


def test_nothing_outside_searchspaces_branches_on_the_name_of_a_space() -> None:
    names = set(SPACES)
    found = {name_of(path): branches_on(names, path.read_text()) for path in MODULES}
    assert {module: lines for module, lines in found.items() if lines and not within(module, "searchspaces")} == {}
