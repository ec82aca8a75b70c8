"""`train`: one child, one recipe, one seed; yields a metrics dict an epoch. `measure`: accuracy on any split."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.augmentation import Batch, Moves, augmented
from nas.averaging import Average
from nas.data import Dataset, Split
from nas.errors import RecipeError, TrainingError
from nas.optimizers import make_optimizer
from nas.out_of_memory import twice, within_memory
from nas.placement import Part, Placed, place, place_split
from nas.recipe import Recipe
from searchspaces.graph import MAIN


def train(
    module: nn.Module, data: Dataset | Placed, recipe: Recipe, *, seed: int, device: torch.device
) -> Iterator[dict[str, float]]:
    """Train `module` in place, on `device`; yields after every epoch.

    The metrics: `epoch` (from 1), `train_loss` (mean over the epoch's steps, with augmentation and smoothing),
    `val_loss`, `val_accuracy` (fraction; both absent when there is no validation split), `seconds` (of this
    epoch). All but `seconds` are the same for the same seed on the same device. An epoch is cut into batches of one
    size, at most `batch_size`: what does not divide (fewer images than steps) is left out, other images each
    epoch. With `recipe.ema` the module holds, at each yield, the averaged weights that were measured.

    Where memory runs out, the step is made once more in two micro-batches whose gradients are added, and so are
    all later ones; `micro_batches` (2) is then a metric. The update is that of the whole batch, except that batch
    normalisation takes the statistics of each half. Where memory runs out while measuring, batches are halved once.
    Raises `TrainingError` when the loss is not finite, or memory runs out all the same.
    """
    child = within_memory(lambda: _Child(module, data, recipe, seed, device), "before epoch 1", recipe, device)
    for epoch in range(1, recipe.epochs + 1):
        yield within_memory(partial(child.epoch, epoch), f"in epoch {epoch}", recipe, device, child.tried)


def measure(
    module: nn.Module, split: Split, data: Dataset | Placed, recipe: Recipe, *, device: torch.device
) -> dict[str, float]:
    """`loss` and `accuracy` (fraction) of a trained module on a split, normalised as the training images of `data`.

    Raises `TrainingError` when memory runs out.
    """

    def loss_and_accuracy() -> list[float]:
        placed = data if isinstance(data, Placed) else place(data, device)
        part = place_split(split, device)
        numbers: list[float] = (_Measure(module.to(device), placed, recipe).sums(part) / len(part)).tolist()
        return numbers

    loss, accuracy = within_memory(loss_and_accuracy, "while measuring", recipe, device)
    return {"loss": loss, "accuracy": accuracy}


class _Measure:
    """Forward passes without gradients, and what all forward passes share."""

    def __init__(self, module: nn.Module, placed: Placed, recipe: Recipe) -> None:
        self.module, self.placed, self.recipe = module, placed, recipe
        self.layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.narrow = narrow_type(recipe, placed.device)
        self.eval_size = recipe.eval_batch_size

    def autocast(self) -> AbstractContextManager[Any]:
        if self.narrow is None:
            return nullcontext()
        return torch.autocast(self.placed.device.type, self.narrow)

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, C, H, W) normalised to (N, classes) in float32, and the same from each auxiliary classifier."""
        with self.autocast():
            output = self.module(images.contiguous(memory_format=self.layout))
        if isinstance(output, Tensor):
            return output.float(), []
        return output[MAIN].float(), [scores.float() for name, scores in output.items() if name != MAIN]

    def sums(self, part: Part) -> Tensor:
        """(2,): the summed loss, and the number of images whose class is found, on the device."""
        return twice(partial(self._sums, part), self._measure_less, self.placed.device)

    def _sums(self, part: Part) -> Tensor:
        self.module.eval()
        total = torch.zeros(2, device=self.placed.device)
        with torch.inference_mode():
            for start in range(0, len(part), self.eval_size):
                images, labels = part.take(slice(start, start + self.eval_size))
                logits, _ = self.outputs(self.placed.normalised(images))
                loss = functional.cross_entropy(logits, labels, reduction="sum")
                total += torch.stack((loss, (logits.argmax(1) == labels).sum()))
        return total

    def _measure_less(self) -> bool:
        """Halve the batches of measuring, once; whether that could be done."""
        if self.eval_size == 1 or self.eval_size < self.recipe.eval_batch_size:
            return False
        self.eval_size //= 2
        return True


class _Child(_Measure):
    """A module in training: what is kept from epoch to epoch."""

    def __init__(
        self, module: nn.Module, data: Dataset | Placed, recipe: Recipe, seed: int, device: torch.device
    ) -> None:
        placed = data if isinstance(data, Placed) else place(data, device)
        super().__init__(module.to(device), placed, recipe)
        if recipe.channels_last:
            module.to(memory_format=torch.channels_last)
        self.rng = torch.Generator().manual_seed(seed)
        self.size = batch_of(len(placed.train), recipe.batch_size)
        self.steps = len(placed.train) // self.size
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(self.parameters, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.narrow == torch.float16)
        self.average = Average(module, recipe.ema) if recipe.ema else None
        self.pieces = 1  # micro-batches of a step

    def tried(self) -> str:
        """What was done against running out of memory, for the message that it ran out all the same."""
        done = [f"steps in {self.pieces} micro-batches of at most {-(-self.size // self.pieces)}"] * (self.pieces > 1)
        done += [f"measuring by {self.eval_size}"] * (self.eval_size < self.recipe.eval_batch_size)
        return f"; tried in vain: {', '.join(done)}" if done else ""

    def epoch(self, number: int) -> dict[str, float]:
        """Train one epoch and measure."""
        start = time.perf_counter()
        if self.average is not None:
            self.average.exchange(averaged=False)
        with _reproducible(self.placed.device, int(torch.randint(2**62, (), generator=self.rng))):
            loss_sum = self._steps((number - 1) * self.steps)
            if self.average is not None:
                self.average.exchange(averaged=True)
            sums = self.sums(self.placed.validation)
        # The one moment in an epoch when the host waits for the device.
        train_loss, val_loss, found = torch.cat((loss_sum, sums)).tolist()
        metrics: dict[str, float] = {"epoch": number, "train_loss": train_loss / self.steps}
        self._check(metrics["train_loss"], "loss", number)
        images = len(self.placed.validation)
        if images:
            metrics |= {"val_loss": val_loss / images, "val_accuracy": found / images}
            self._check(metrics["val_loss"], "validation loss", number)
        if self.pieces > 1:
            metrics["micro_batches"] = self.pieces
        return metrics | {"seconds": time.perf_counter() - start}

    def _steps(self, done: int) -> Tensor:
        """All steps of an epoch after so many steps; gives the summed loss (1,)."""
        self.module.train()
        recipe, placed, optimizer = self.recipe, self.placed, self.optimizer
        count = self.steps * self.size
        _, _, height, width = placed.train.images.shape
        order = placed.train.nearby(torch.randperm(len(placed.train), generator=self.rng)[:count])
        moves = Moves.draw(count, height, width, recipe, self.rng).to(placed.device)
        loss_sum = torch.zeros(1, device=placed.device)
        for step in range(self.steps):
            which = slice(step * self.size, (step + 1) * self.size)
            images, labels = placed.train.take(order[which])
            batch = augmented(images, labels, moves[which], recipe, placed)
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr_at(done + step, recipe.epochs * self.steps)
            loss_sum += twice(partial(self._gradients, batch), self._train_less, placed.device)
            self._update()
        return loss_sum

    def _gradients(self, batch: Batch) -> Tensor:
        """The gradient of a batch's loss, left in the parameters; gives the loss."""
        self.optimizer.zero_grad()  # here, so that the last step's do not lie beside the activations
        total = torch.zeros(1, device=self.placed.device)
        for part in batch.micro_batches(self.pieces) if self.pieces > 1 else [batch]:
            loss = self._loss(*self.outputs(part.images), part) * (len(part.labels) / self.size)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _train_less(self) -> bool:
        """Halve the micro-batches, once; whether that could be done: batch normalisation needs two images in each."""
        if self.pieces > 1 or self.size < 4:
            return False
        self.pieces = 2
        return True

    def _loss(self, logits: Tensor, auxiliary: list[Tensor], batch: Batch) -> Tensor:
        """Cross-entropy, and that of each auxiliary classifier by its weight (Szegedy et al. 2015, section 5)."""
        loss = self._cross_entropy(logits, batch)
        for scores in auxiliary:
            loss = loss + self.recipe.auxiliary * self._cross_entropy(scores, batch)
        return loss

    def _cross_entropy(self, scores: Tensor, batch: Batch) -> Tensor:
        """The mean over a batch; a mixed image has the labels of both, by their shares (Zhang et al. 2018)."""
        smoothing = self.recipe.label_smoothing
        if batch.partners is None or batch.share is None:
            return functional.cross_entropy(scores, batch.labels, label_smoothing=smoothing)
        own, other = (
            functional.cross_entropy(scores, labels, label_smoothing=smoothing, reduction="none")
            for labels in (batch.labels, batch.partners)
        )
        return torch.lerp(other, own, batch.share).mean()

    def _update(self) -> None:
        """One step of the optimizer, with the gradients that are there."""
        self.scaler.unscale_(self.optimizer)
        self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update()

    def _clip(self) -> None:
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)

    def _check(self, loss: float, what: str, epoch: int) -> None:
        if not math.isfinite(loss):
            became = "NaN" if math.isnan(loss) else "infinite"
            raise TrainingError(
                f"{what} became {became} in epoch {epoch} (lr {self.recipe.lr:g}, {self.recipe.optimizer}); "
                "lower lr, or raise warmup, or set clip"
            )


def batch_of(images: int, largest: int) -> int:
    """The one size that an epoch of so many images is cut into: as near below `largest` as wastes the fewest.

    At least two, since batch normalisation cannot do with one. Raises `TrainingError` for fewer than two images.
    """
    if images < 2:
        raise TrainingError(f"training needs at least 2 images; the dataset has {images}")
    steps = math.ceil(images / largest)
    return max(2, images // steps)


def narrow_type(recipe: Recipe, device: torch.device) -> torch.dtype | None:
    """The type that autocast computes in, None for float32. Raises `RecipeError` for fp16 without a GPU.

    "auto" is float32 on a CPU: narrow types gain nothing there for small networks, where they exist at all.
    """
    if recipe.precision == "float32" or (recipe.precision == "auto" and device.type != "cuda"):
        return None
    if recipe.precision == "fp16" and device.type == "cpu":
        raise RecipeError("recipe: precision fp16 needs a GPU; on a CPU use auto, float32 or bf16")
    if recipe.precision == "fp16":
        return torch.float16
    if recipe.precision == "bf16" or torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16


@contextmanager
def _reproducible(device: torch.device, seed: int) -> Iterator[None]:
    """Global generators (dropout reads them) seeded in here and restored after; no random choice of GPU kernels."""
    with ExitStack() as scope:
        scope.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            scope.enter_context(torch.cuda.device(device))
            scope.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True))
            torch.cuda.manual_seed(seed)
        yield
