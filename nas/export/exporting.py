"""`export`: one network into one format; its files are compared with the network before they are put in their place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from nas.errors import ExportError, NasError, unknown
from nas.export.compare import Comparison, compare
from nas.export.subject import Subject

# By the name of the format: its module, loaded when it is asked for.
FORMATS = {
    "onnx": "nas.export.onnx",
    "torch-export": "nas.export.torch_export",
    "torchscript": "nas.export.torchscript",
    "python": "nas.export.python_module",
}


@dataclass(frozen=True)
class Exported:
    """What was written: the files, the first of which is the network, and how it compares with torch."""

    format: str
    files: tuple[Path, ...]
    comparison: Comparison
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values; bytes are those of all files."""
        return {
            "format": self.format,
            "files": [str(path) for path in self.files],
            "bytes": sum(path.stat().st_size for path in self.files),
            **asdict(self.comparison),
            "note": self.note,
        }


def format_module(name: str) -> ModuleType:
    """The module of a format. Raises `ExportError` for a name that there is not, or what is not installed."""
    if name not in FORMATS:
        raise ExportError(unknown("format", name, FORMATS))
    module = import_module(FORMATS[name])
    if hasattr(module, "check"):
        module.check()
    return module


def suffix_of(name: str) -> str:
    """How the files of a format end."""
    suffix: str = import_module(FORMATS[name]).SUFFIX
    return suffix


def path_of(subject: Subject, form: str, output: Path | None) -> Path:
    """The file of an export: `output`, or a name of its own in that folder (no suffix) or the current one."""
    name = subject.name + format_module(form).SUFFIX
    if output is None:
        return Path(name)
    output = output.expanduser()
    return output / name if os.path.isdir(output) or not output.suffix else output


def export(subject: Subject, form: str, output: Path | None = None, force: bool = False) -> Exported:
    """Write `subject` in a format, and compare what was written with the network.

    `output`: a file, or a folder in which it gets a name of its own. Raises `ExportError` for a format that there is
    not, a file that exists (without `force`) or cannot be written, and scores that differ; then nothing is written.
    """
    module = format_module(form)
    path = path_of(subject, form, output)
    ending = "." + module.SUFFIX.rpartition(".")[2]
    if path.suffix != ending:
        raise ExportError(f"{path}: files of {form} end in {ending}")
    companions = [path.with_name(path.stem + module.WEIGHTS)] if hasattr(module, "WEIGHTS") else []
    check_free([path, *companions], force)
    made: list[Comparison] = []

    def write(folder: Path) -> None:
        part = folder / path.name
        try:
            module.write(subject, part)
            made.append(compare(subject, module.opened(part)))
        except (NasError, OSError):
            raise
        except Exception as error:  # of the exporter: a network of a user's own may be more than it can say
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ExportError(f"torch {torch.__version__} cannot export it as {form}: {lines[0]}") from None

    placed([path, *companions], write)
    return Exported(form, (path, *companions), made[0], getattr(module, "DEPRECATED", ""))


def check_free(paths: Sequence[Path], force: bool) -> None:
    """Raise `ExportError` where one of the files is there already, or is no file."""
    for path in paths:
        try:
            if os.path.isdir(path):
                raise ExportError(f"{path}: a folder; give a file")
            if not force and (path.exists() or path.is_symlink()):
                raise ExportError(f"{path}: is there already; --force replaces it, --output names another")
        except OSError as error:
            raise ExportError(f"{path}: cannot be written ({error.strerror})") from None


def placed(paths: Sequence[Path], write: Callable[[Path], None]) -> None:
    """Have `write` fill a folder beside the files with files of these names, then move them to their place.

    Raises `ExportError` where that cannot be done; what `write` raises is passed on, and leaves nothing.
    """
    folder = paths[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".nas-export-", dir=folder) as temporary:
            write(Path(temporary))
            for path in paths:
                (Path(temporary) / path.name).replace(path)
    except OSError as error:
        raise ExportError(f"{paths[0]}: cannot be written ({error.strerror or error})") from None
