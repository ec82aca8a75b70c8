"""`Architecture`: a network as data. A stem, stages of blocks, and a head, each of which draws itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from searchspaces import documents
from searchspaces.documents import Depth, Piece, Stride, Width
from searchspaces.errors import InvalidArchitecture
from searchspaces.graph import Canvas, Fragment, Graph, Part, Tensor, image_part
from searchspaces.holes import Hole
from searchspaces.operations import Shape

FORMAT = "nas.architecture/1"
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
    """What a stage repeats. `arity` is how many previous outputs enter: NASNet's cells take two."""

    arity: ClassVar[int] = 1

    def draw(self, g: Canvas, x: Tensor, width: int, stride: int) -> Tensor:
        """Draw the block on its latest input `x`, giving (width, H/stride, W/stride); `g.inputs` has them all."""
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
    """`depth` times one block at one width; only the first has the stride. Depth 0 leaves the stage out."""

    block: Block
    depth: Depth
    width: Width
    stride: Stride = 1


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
        """The canonical document. Raises `InvalidArchitecture` if a choice is still open."""
        return {"format": FORMAT, **documents.write(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Architecture:
        """The architecture of a document. Raises `InvalidArchitecture` naming the path of what is wrong."""
        if not hasattr(document, "get"):
            raise InvalidArchitecture(f"an architecture is a JSON object, not {type(document).__name__}")
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
        documents.check(self)
        blocks = sum(stage.depth for stage in self.stages)
        if blocks > MAX_BLOCKS:
            raise InvalidArchitecture(f"{blocks} blocks in all; at most {MAX_BLOCKS} are allowed", "stages")

    def draw(self, image: Shape, classes: int) -> Graph:
        """The graph of this network for images of (channels, height, width) and `classes` classes.

        Raises `InvalidArchitecture` naming the stage when the network cannot be drawn on such an image.
        """
        parts = self._draw_body(image)
        try:
            fragment = _draw_head(self.head, classes, parts[-1].fragment.shape)
        except InvalidArchitecture as error:
            raise error.within("head") from None
        return Graph((*parts, Part("head", fragment, (len(parts) - 1,))))

    def last_map(self, image: Shape) -> Shape:
        """The shape of the map that enters the head. Raises as `draw`."""
        return self._draw_body(image)[-1].fragment.shape

    def _draw_body(self, image: Shape) -> list[Part]:
        if len(image) != 3 or min(image) < 1:
            raise InvalidArchitecture(f"an image is channels, height, width, each at least 1; got {image}")
        if any(isinstance(part, Hole) for part in vars(self).values()):
            self.check()  # says which choice is open
        path = "stem"
        try:
            parts = [image_part(image)]
            parts.append(Part("stem", _draw_stem(self.stem, image), (0,)))
            for number, stage in enumerate(self.stages):
                path = f"stages[{number}]"
                _check_stage(stage)
                path += ".block"
                arity, stride = stage.block.arity, stage.stride
                for index in range(1, stage.depth + 1):
                    # Before the first block there is only the stem: it stands in for every earlier output.
                    sources = tuple(max(1, len(parts) - back) for back in range(1, arity + 1))
                    shapes = tuple(parts[source].fragment.shape for source in sources)
                    fragment = _draw_block(stage.block, stage.width, stride, shapes)
                    parts.append(Part(f"stage{number + 1}.block{index}", fragment, sources))
                    stride = 1
        except InvalidArchitecture as error:
            raise error.within(path) from None
        return parts


def _check_stage(stage: Stage) -> None:
    # Drawing happens ten thousand times a search, so only the cheap look; the slow one finds the words.
    if (
        not (type(stage.depth) is type(stage.width) is type(stage.stride) is int)
        or not (0 <= stage.depth <= 512 and 1 <= stage.width <= 65536 and 1 <= stage.stride <= 8)
        or not isinstance(stage.block, Block)
    ):
        documents.check(stage)


@lru_cache(maxsize=4096)
def _draw_stem(stem: Stem, image: Shape) -> Fragment:
    documents.check(stem)
    canvas = Canvas(image)
    return canvas.finish(stem.draw(canvas, canvas.inputs[0]))


@lru_cache(maxsize=32768)
def _draw_block(block: Block, width: int, stride: int, shapes: tuple[Shape, ...]) -> Fragment:
    documents.check(block)
    canvas = Canvas(*shapes)
    return canvas.finish(block.draw(canvas, canvas.inputs[0], width, stride))


@lru_cache(maxsize=4096)
def _draw_head(head: Head, classes: int, shape: Shape) -> Fragment:
    documents.check(head)
    canvas = Canvas(shape)
    return canvas.finish(head.draw(canvas, canvas.inputs[0], classes))
