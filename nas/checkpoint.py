"""`Checkpoint`: a trained network as one .safetensors file that says by itself what it is.

The tensors are the weights, by the hierarchical names of the graph. Everything else is one JSON document among the
file's metadata: architecture, image, classes, normalisation, recipe, seed, data and results. Nothing in it is run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import __version__
from nas.errors import CheckpointError, NasError
from nas.recipe import Recipe
from searchspaces import Architecture
from searchspaces.documents import parse, short
from searchspaces.errors import SearchSpaceError

if TYPE_CHECKING:
    from torch import Tensor, fx

FORMAT = 1
ENTRY = "nas"  # of the file's metadata
MOST_CLASSES, LARGEST_SIDE, MOST_CHANNELS = 100_000, 4096, 1024
LEAST_STD, MOST_MEAN = 1e-6, 1e6  # beyond them float32 overflows
DEEPEST = 16  # objects in objects, of the dataset's options


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network and everything that is needed to use it, or to train it again.

    `image`: channels, height, width that it was trained for. `mean`, `std`: of each channel, in units where 255 is 1;
    the module wants (value / 255 − mean) / std. `dataset`: a `DataSpec` document without its root, `data_key` the
    fingerprint of what was trained on. `source`: what was asked for, such as `STUDY:TRIAL` or a network's name.
    `results`: fractions and counts by name, such as `test_accuracy` and `test_images`. `weights`: on the CPU.
    Raises `CheckpointError`.
    """

    architecture: Architecture
    image: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    recipe: Recipe
    seed: int
    dataset: Mapping[str, Any]
    data_key: str
    source: str
    weights: Mapping[str, Tensor] = field(repr=False)
    results: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        channels, *sides = self.image
        if not (0 < channels <= MOST_CHANNELS and all(0 < side <= LARGEST_SIDE for side in sides)):
            raise CheckpointError(f"image {short(list(self.image))} is none: channels, height and width are wanted")
        if not 0 < len(self.classes) <= MOST_CLASSES:
            raise CheckpointError(f"{len(self.classes)} classes; allowed are 1 to {MOST_CLASSES}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != channels or not all(abs(value) <= MOST_MEAN for value in values):
                raise CheckpointError(f"{name} must have a finite number for each of {channels} channels")
        if not all(value >= LEAST_STD for value in self.std):
            raise CheckpointError(f"std must be above 0 in every channel, at least {LEAST_STD:g}")

    def module(self) -> fx.GraphModule:
        """The network on the CPU in evaluation mode: normalised images (N, C, H, W) to scores (N, classes).

        Raises `CheckpointError` where the weights are not those of the architecture: a missing one, one too many, or
        another shape or type.
        """
        from nas.build import skeleton

        made = skeleton(self.architecture.draw(self.image, len(self.classes)))
        _check_weights(self.weights, made.state_dict())
        made.load_state_dict(dict(self.weights), assign=True)
        return made.eval()

    def to_json(self) -> dict[str, Any]:
        """Everything but the weights."""
        return {
            "format": FORMAT,
            "nas": __version__,
            "architecture": self.architecture.to_json(),
            "image": list(self.image),
            "classes": list(self.classes),
            "mean": list(self.mean),
            "std": list(self.std),
            "recipe": self.recipe.to_json(),
            "seed": self.seed,
            "dataset": dict(self.dataset),
            "data_key": self.data_key,
            "source": self.source,
            "results": dict(self.results),
        }

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises `CheckpointError` where that cannot be done."""
        from safetensors.torch import save_file

        tensors = {name: value.detach().contiguous().cpu() for name, value in self.weights.items()}
        document = json.dumps(self.to_json(), sort_keys=True, allow_nan=False)
        write_whole(path, lambda part: save_file(tensors, part, metadata={ENTRY: document}))


def read_checkpoint(path: str | Path) -> Checkpoint:
    """The checkpoint in a file; its weights are compared with the architecture before they are given out.

    Raises `CheckpointError` for a file that is none of ours, cut off, or does not hold together.
    """
    path = Path(path).expanduser()
    try:
        if not path.is_file():
            raise CheckpointError("a folder, not a file" if path.is_dir() else "no such file")
        metadata, weights = _read(path)
        found = _from_document(metadata, weights)
        _ = found.module()
        _check_finite(weights)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from None
    except (NasError, SearchSpaceError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    return found


def _read(path: Path) -> tuple[str, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            document = (file.metadata() or {}).get(ENTRY)
            if document is None:
                raise CheckpointError("not a checkpoint of nas: it has weights and no word of what they are")
            return document, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except OSError as error:
        raise CheckpointError(error.strerror or str(error)) from None
    except SafetensorError as error:
        raise CheckpointError(f"not a whole .safetensors file ({error})") from None


def _from_document(text: str, weights: Mapping[str, Tensor]) -> Checkpoint:
    document = parse(text)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        version = short(document.get("format")) if isinstance(document, dict) else "none"
        raise CheckpointError(f"checkpoint of format {version}; this nas reads format {FORMAT}")
    try:
        channels, height, width = _list(document, "image", int)
        results = _of(document, "results", dict)
        return Checkpoint(
            architecture=Architecture.from_json(document["architecture"]),
            image=(channels, height, width),
            classes=tuple(_list(document, "classes", str)),
            mean=tuple(float(_number("mean", value)) for value in _list(document, "mean", int, float)),
            std=tuple(float(_number("std", value)) for value in _list(document, "std", int, float)),
            recipe=Recipe.from_json(_of(document, "recipe", dict)),
            seed=_of(document, "seed", int),
            dataset=_plain(_of(document, "dataset", dict)),
            data_key=_of(document, "data_key", str),
            source=_of(document, "source", str),
            weights=weights,
            results={_text(name): _number(f"results: {short(name)}", value) for name, value in results.items()},
        )
    except KeyError as error:
        raise CheckpointError(f"the checkpoint lacks the field {error}") from None
    except ValueError:
        raise CheckpointError("image must be channels, height and width") from None


def _of(document: Mapping[str, Any], name: str, *kinds: type) -> Any:
    value = document[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise CheckpointError(f"{name}: {short(value)} is not {' or '.join(kind.__name__ for kind in kinds)}")
    return _text(value) if isinstance(value, str) else value


def _list(document: Mapping[str, Any], name: str, *kinds: type) -> list[Any]:
    return [_of({name: value}, name, *kinds) for value in _of(document, name, list)]


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CheckpointError(f"{name} is {short(value)}, not a number")
    if not abs(value) < 1e300:  # a whole number of a document may have any length
        raise CheckpointError(f"{name} must be a finite number")
    return value


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise CheckpointError(f"{value[:40]!a} is not Unicode text") from None
    return value


def _plain(value: Any, depth: int = 0) -> Any:
    """JSON values that are no deeper than a dataset's options need."""
    if depth > DEEPEST:
        raise CheckpointError("dataset: nested too deeply")
    if isinstance(value, dict):
        return {_text(name): _plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number("dataset: a value", value)
    return _text(value) if isinstance(value, str) else value


def _check_finite(weights: Mapping[str, Tensor]) -> None:
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{short(name)} has weights that are not finite: training broke down")


def _check_weights(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for kind, names in (("lacks", wanted.keys() - found.keys()), ("has too many:", found.keys() - wanted.keys())):
        if names:
            raise CheckpointError(f"checkpoint of another architecture: it {kind} {listed(sorted(names))}")
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            theirs, ours = (f"{tuple(each.shape)} {str(each.dtype)[6:]}" for each in (found[name], tensor))
            raise CheckpointError(f"checkpoint of another architecture: {name} is {theirs} where {ours} is wanted")


def listed(names: Sequence[str]) -> str:
    """The first three of some names, and how many more there are."""
    rest = len(names) - 3
    return ", ".join(short(name) for name in names[:3]) + (f" and {rest} more" if rest > 0 else "")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside `path`, then put it in its place: whoever reads sees the old or the new one.

    Raises `CheckpointError` for a folder that cannot be written or a disk that is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(part)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except Exception as error:  # of the system, or of the library that writes
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CheckpointError(f"{path}: cannot be written ({why})") from None
