"""`Architecture`: a network as data. A stem, stages of blocks, and a head, each of which draws itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from searchspaces import documents
from searchspaces.canvas import Canvas, Fragment, Tensor
from searchspaces.checking import check
from searchspaces.documents import Depth, Piece, Stride, Width
from searchspaces.errors import InvalidArchitecture
from searchspaces.graph import Graph, Part, image_part, needed
from searchspaces.holes import Hole
from searchspaces.operations import Shape

FORMAT = "nas.architecture/1"
MAX_SIDE, MAX_CLASSES = 65536, 1_000_000  # of an image, channels too
MAX_BLOCKS = 2048  # of a whole network; the deepest that was ever published has about 1,200 layers


class Stem(Piece):
    """What comes before the first stage."""

    def draw(self, g: Canvas, x: Tensor) -> Tensor:
        """Draw the stem on image `x` (channels, height, width)."""
        raise NotImplementedError

    def milder(self) -> Stem | None:
        """The same stem with one step of downsampling less; None when it keeps the image's size already."""
        return None


class Block(Piece):
    """What a stage repeats."""

    @property
    def arity(self) -> int:
        """How many previous outputs enter: NASNet's cells take two."""
        return 1

    def draw(self, g: Canvas, x: Tensor, width: int, stride: int) -> Tensor:
        """Draw the block on its latest input `x`; `g.inputs` has them all, the latest first.

        Gives (width, H/stride, W/stride), unless the block says what else `width` means (DenseNet's growth).
        """
        raise NotImplementedError


class Head(Piece):
    """What turns the last stage's map into one score (logit) a class."""

    def draw(self, g: Canvas, x: Tensor, classes: int) -> Tensor:
        """Draw the head on map `x`; gives (classes,)."""
        raise NotImplementedError

    def on_small_image(self) -> Head:
        """The head to use where the image is too small for the network's own downsampling."""
        return self


@dataclass(frozen=True)
class Stage(Piece):
    """`depth` times one block at one width; only the first has the stride. Depth 0 leaves the stage out.

    `auxiliary` is a classifier on the stage's output that exists in training only (GoogLeNet's).
    """

    block: Block
    depth: Depth
    width: Width
    stride: Stride = 1
    auxiliary: Head | None = None


@dataclass(frozen=True)
class Architecture(Piece):
    """A convolutional network: stem, stages of blocks, head. Equal content is equal, and has one `key`."""

    stem: Stem
    stages: tuple[Stage, ...]
    head: Head

    @cached_property
    def key(self) -> str:
        """16 hex digits derived from the content."""
        return documents.key(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The canonical document. Raises `InvalidArchitecture` if a choice is still open, or a value is none."""
        try:
            return {"format": FORMAT, **documents.write(self)}
        except InvalidArchitecture:
            self.check()  # says where
            raise

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Architecture:
        """The architecture of a document. Raises `InvalidArchitecture` naming the path of what is wrong."""
        if not hasattr(document, "get"):
            raise InvalidArchitecture(f"an architecture is a JSON object, not {type(document).__name__}")
        documents.once(document)
        written = document.get("format")
        if written != FORMAT:
            raise InvalidArchitecture(f"format {documents.short(written)}; this version reads {FORMAT!r}")
        tree = documents.read({name: value for name, value in document.items() if name != "format"})
        if not isinstance(tree, cls):
            raise InvalidArchitecture(f"kind {type(tree).__name__!r}; expected 'Architecture'")
        tree.check()
        return tree

    def check(self) -> None:
        """Check every value. Raises `InvalidArchitecture` with the offending path."""
        check(self)
        self._check_size()

    def draw(self, image: Shape, classes: int, auxiliary: bool = False) -> Graph:
        """The graph of this network for images of (channels, height, width) and `classes` classes.

        With `auxiliary` as it is trained, with its auxiliary classifiers; otherwise as it is used. Raises
        `InvalidArchitecture` naming the stage when the network cannot be drawn on such an image.
        """
        if type(classes) is not int or not 0 < classes <= MAX_CLASSES:
            raise InvalidArchitecture(
                f"{documents.short(classes)} classes; allowed is a number from 1 to {MAX_CLASSES}"
            )
        with self._checked():
            parts, last = self._draw_body(_size(image), classes if auxiliary else 0)
            try:
                fragment = _draw_head(self.head, classes, parts[last].fragment.shape)
            except InvalidArchitecture as error:
                raise error.within("head") from None
            return Graph(needed([*parts, Part("head", fragment, (last,))]))

    def last_map(self, image: Shape) -> Shape:
        """The shape of the map that enters the head. Raises as `draw`."""
        with self._checked():
            parts, last = self._draw_body(_size(image), 0)
            return parts[last].fragment.shape

    @contextmanager
    def _checked(self) -> Iterator[None]:
        """Where drawing breaks on a value of a wrong type, say which it is; what is checked already stays quick."""
        try:
            yield
        except (TypeError, AttributeError):
            self.check()
            raise

    def _draw_body(self, image: Shape, classes: int) -> tuple[list[Part], int]:
        """All parts before the head, and which of them enters it. Auxiliary classifiers only with `classes`."""
        holes = any(isinstance(part, Hole) for part in vars(self).values())
        if holes or len(self.stages) > documents.MAX_ENTRIES or sum(s.depth for s in self.stages) > MAX_BLOCKS:
            self.check()  # says what is wrong, before anything is drawn
        path = "stem"
        try:
            parts = [image_part(image), Part("stem", _draw_stem(self.stem, image), (0,))]
            row = [1]  # the parts that a block may read: the stem and the blocks so far
            for number, stage in enumerate(self.stages):
                path = f"stages[{number}]"
                _check_stage(stage.block, stage.depth, stage.width, stage.stride)
                path += ".block"
                arity, stride = stage.block.arity, stage.stride
                for index in range(1, stage.depth + 1):
                    # Before the first block there is only the stem: it stands in for every earlier output.
                    sources = tuple(row[max(0, len(row) - back)] for back in range(1, arity + 1))
                    shapes = tuple(parts[source].fragment.shape for source in sources)
                    fragment = _draw_block(stage.block, stage.width, stride, shapes)
                    row.append(len(parts))
                    parts.append(Part(f"stage{number + 1}.block{index}", fragment, sources))
                    stride = 1
                if classes and stage.auxiliary is not None:
                    path = f"stages[{number}].auxiliary"
                    fragment = _draw_head(stage.auxiliary, classes, parts[row[-1]].fragment.shape)
                    parts.append(Part(f"stage{number + 1}.auxiliary", fragment, (row[-1],), auxiliary=True))
        except InvalidArchitecture as error:
            raise error.within(path) from None
        return parts, row[-1]

    def _check_size(self) -> None:
        blocks = sum(stage.depth for stage in self.stages)
        if blocks > MAX_BLOCKS:
            raise InvalidArchitecture(f"{blocks} blocks in all; at most {MAX_BLOCKS} are allowed", "stages")


def _size(image: Any) -> Shape:
    """The shape of an image. Raises `InvalidArchitecture` for what is none."""
    sides = tuple(image) if isinstance(image, (tuple, list)) else ()
    if len(sides) != 3 or not all(type(side) is int and 0 < side <= MAX_SIDE for side in sides):
        got = ", ".join(map(documents.short, sides[:4])) if sides else documents.short(image)
        raise InvalidArchitecture(f"an image is channels, height, width, each from 1 to {MAX_SIDE}; got {got}")
    return sides


@lru_cache(maxsize=32768, typed=True)
def _check_stage(block: Block, depth: int, width: int, stride: int) -> None:
    # Drawing happens ten thousand times a search: a stage is looked at once.
    check(Stage(block, depth, width, stride))


@lru_cache(maxsize=4096)
def _draw_stem(stem: Stem, image: Shape) -> Fragment:
    check(stem)
    canvas = Canvas(image)
    return _finished(stem, canvas, stem.draw(canvas, canvas.inputs[0]))


@lru_cache(maxsize=8192)
def _draw_block(block: Block, width: int, stride: int, shapes: tuple[Shape, ...]) -> Fragment:
    canvas = Canvas(*shapes)
    return _finished(block, canvas, block.draw(canvas, canvas.inputs[0], width, stride))


@lru_cache(maxsize=4096)
def _draw_head(head: Head, classes: int, shape: Shape) -> Fragment:
    check(head)
    canvas = Canvas(shape)
    return _finished(head, canvas, head.draw(canvas, canvas.inputs[0], classes))


def _finished(piece: Piece, canvas: Canvas, output: object) -> Fragment:
    if not isinstance(output, Tensor):
        name = type(piece).__name__
        raise InvalidArchitecture(f"{name}.draw returns a {type(output).__name__}; it must return what it drew last")
    return canvas.finish(output)
