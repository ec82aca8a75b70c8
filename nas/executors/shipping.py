"""What travels to a worker: the evaluator, and to another machine the user's own modules with it.

pickle names a class or a function by its module, and the worker imports that. On this machine it looks where the search
looks. On another one the files of the current directory are not there, so their text goes along; whatever is
installed (Python's own library, site-packages, nas) has to be installed there too.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from nas.errors import ExecutorError
from nas.executors.reasons import reason

INSTALLED = ("site-packages", "dist-packages")
OURS = ("nas", "searchspaces", "dashboards")  # also where they are used from their own sources
LIBRARY = Path(sysconfig.get_paths()["stdlib"])


@dataclass(frozen=True)
class Source:
    """The text of one module, and where it stood."""

    text: str
    file: str
    package: bool


class Luggage:
    """Sources by module name; to unpickle it makes them importable, so it comes before what names the modules."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = dict(sources)

    def __reduce__(self) -> tuple[Callable[[Mapping[str, Source]], Luggage], tuple[Mapping[str, Source]]]:
        return (unpack, (self.sources,))


def pack(dumps: Callable[[Any], bytes], shipped: tuple[Any, ...], *, abroad: bool) -> bytes:
    """The bytes that a `WarmWorker` begins with, of (classes, decode, evaluator).

    `dumps`: cloudpickle's. `abroad`: whether a worker may be on a machine without the user's files. Raises
    `ExecutorError` for an evaluator that cannot be sent.
    """
    classes, *rest = shipped
    first = (Luggage(own_sources()), classes) if abroad else classes
    try:
        return dumps((first, *rest))
    except Exception as error:
        raise ExecutorError(f"the evaluator cannot be sent to workers: {reason(error)}") from error


def unpack(sources: Mapping[str, Source]) -> Luggage:
    """Let this process import these modules; they go before files of the same name, which may be older."""
    sys.meta_path[:] = [_Finder(sources), *(finder for finder in sys.meta_path if not isinstance(finder, _Finder))]
    return Luggage(sources)


def own_sources() -> dict[str, Source]:
    """The modules of the user's own that this process has imported, and those that their text imports later."""
    sources: dict[str, Source] = {}
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    waiting = [each for name, module in list(sys.modules.items()) if _named(name, module) for each in _line(name)]
    if script and _is_own(Path(script)):
        waiting += _imports(_read(Path(script)) or "", "__main__", package=False)
    while waiting:
        name = waiting.pop()
        found = None if name in sources else _find(name)
        if found is not None:
            sources[name] = found
            waiting += _imports(found.text, name, found.package)
    return sources


def _named(name: str, module: object) -> bool:
    """Whether a module could be imported under its name elsewhere; a script is not."""
    return isinstance(module, ModuleType) and name != "__main__" and bool(getattr(module, "__file__", None))


def _line(name: str) -> list[str]:
    """A module's name and those of the packages that it is in, the outermost first."""
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _is_own(path: Path) -> bool:
    return path.suffix == ".py" and LIBRARY not in path.parents and not set(INSTALLED) & set(path.parts)


def _find(name: str) -> Source | None:
    """The module if it is the user's own; nothing is imported to find out."""
    if name.partition(".")[0] in OURS:
        return None
    spec = getattr(sys.modules.get(name), "__spec__", None) or _spec(name)
    if spec is None:
        return None
    if spec.origin is None and spec.submodule_search_locations:  # a folder without __init__.py is a package too
        path = Path(next(iter(spec.submodule_search_locations))) / "__init__.py"
        return Source("", str(path), package=True) if _is_own(path) else None
    path = Path(spec.origin or "")
    text = _read(path) if _is_own(path) else None
    return None if text is None else Source(text, str(path), path.name == "__init__.py")


def _spec(name: str) -> ModuleSpec | None:
    folders: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    for each in _line(name):
        spec = PathFinder.find_spec(each, folders)
        if spec is None:
            return None
        folders = spec.submodule_search_locations or ()
    return spec


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):  # gone since, or in another encoding: the worker has to have it
        return None


def _imports(text: str, name: str, package: bool) -> Iterator[str]:
    """The modules that a text imports anywhere, and the packages that they are in."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    home = name if package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            try:
                base = resolve_name(base, home) if node.level else base
            except ImportError:
                continue
            found = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for each in found:
            yield from _line(each)


class _Finder(MetaPathFinder):
    """Finds the modules of a `Luggage`."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a module that was sent."""
        source = self._sources.get(fullname)
        if source is None:
            return None
        spec = spec_from_loader(fullname, _Loader(source), origin=source.file, is_package=source.package)
        if spec is not None:
            spec.has_location = True  # so that the module has a __file__, which a shared folder holds
        return spec


class _Loader(InspectLoader):
    """Gives a module the text that it came with."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:
        """Its text."""
        return self._source.text

    def is_package(self, fullname: str) -> bool:
        """Whether it may hold other modules."""
        return self._source.package

    def get_code(self, fullname: str) -> Any:
        """Its text, compiled."""
        return self.source_to_code(self._source.text, self._source.file)
