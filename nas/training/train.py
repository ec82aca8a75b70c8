"""`train`: one network, one recipe, one seed; yields a metrics dict an epoch. `measure`: accuracy on any split.

`Training` is what stands between the epochs; `nas.training.state` takes it down as tensors and sets it up again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nas.data import Dataset, Split
from nas.errors import TrainingError
from nas.recipe import Recipe
from nas.training.augmentation import Batch, Moves, augmented
from nas.training.averaging import Average
from nas.training.forward import Forward
from nas.training.growth import shrunk, size_at, steps_of
from nas.training.losses import batch_loss
from nas.training.optimizers import make_optimizer
from nas.training.out_of_memory import twice, within_memory
from nas.training.placement import Placed, place, place_split
from nas.training.reproducible import reproducible
from nas.training.team import ALONE, Team


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
    yield from Training.begin(module, data, recipe, seed=seed, device=device).epochs()


def measure(
    module: nn.Module, split: Split, data: Dataset | Placed, recipe: Recipe, *, device: torch.device
) -> dict[str, float]:
    """`loss` and `accuracy` (fraction) of a trained module on a split, normalised as the training images of `data`.

    Raises `TrainingError` when memory runs out.
    """

    def loss_and_accuracy() -> list[float]:
        placed = data if isinstance(data, Placed) else place(data, device)
        part = place_split(split, device)
        numbers: list[float] = (Forward(module.to(device), placed, recipe).sums(part) / len(part)).tolist()
        return numbers

    loss, accuracy = within_memory(loss_and_accuracy, "while measuring", recipe, device)
    return {"loss": loss, "accuracy": accuracy}


class Training(Forward):
    """A module in training: what is kept from epoch to epoch. `done` epochs have been trained."""

    def __init__(
        self,
        module: nn.Module,
        data: Dataset | Placed,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device,
        team: Team = ALONE,
    ) -> None:
        placed = data if isinstance(data, Placed) else place(data, device)
        super().__init__(team.prepared(module.to(device)), placed, recipe, team)
        if recipe.channels_last:
            self.module.to(memory_format=torch.channels_last)
        self.done = 0
        self.rng = torch.Generator().manual_seed(seed)
        self.size = batch_of(len(placed.train), recipe.batch_size)
        if self.size < 2 * team.size:
            raise TrainingError(f"a batch of {self.size} images has no two for each of {team.size} workers")
        self.steps = steps_of(recipe, len(placed.train) // self.size)  # of each epoch
        self.parameters = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(self.parameters, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.narrow == torch.float16)
        self.average = Average(self.module, recipe.ema) if recipe.ema else None
        self.network = team.wrapped(self.module, device)
        if recipe.compile != "off":
            self.network = torch.compile(self.network, mode=recipe.compile)  # type: ignore[assignment]
        self.pieces = 1  # micro-batches of a step

    @classmethod
    def begin(cls, module: nn.Module, data: Dataset | Placed, recipe: Recipe, **settings: Any) -> Training:
        """As the constructor. Raises `TrainingError` also where memory runs out."""
        made = partial(cls, module, data, recipe, **settings)
        return within_memory(made, "before epoch 1", recipe, settings["device"])

    def epochs(self) -> Iterator[dict[str, float]]:
        """Train the epochs that are left; the metrics of each. Raises as `train`."""
        while self.done < self.recipe.epochs:
            work, when = partial(self.epoch, self.done + 1), f"in epoch {self.done + 1}"
            metrics = within_memory(work, when, self.recipe, self.placed.device, self.tried)
            self.done += 1
            yield metrics

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
        drawn = int(torch.randint(2**62, (), generator=self.rng))
        with reproducible(self.placed.device, drawn + self.team.rank):
            loss_sum = self._steps(number)
            self._even_out()
            if self.average is not None:
                self.average.exchange(averaged=True)
            sums = self.sums(self.placed.validation)
        # The one moment in an epoch when the host waits for the device.
        train_loss, val_loss, found = self.team.total(torch.cat((loss_sum, sums))).tolist()
        metrics: dict[str, float] = {
            "epoch": number,
            "train_loss": train_loss / self.team.size / self.steps[number - 1],
        }
        self._check(metrics["train_loss"], "loss", number)
        images = len(self.placed.validation)
        if images:
            metrics |= {"val_loss": val_loss / images, "val_accuracy": found / images}
            self._check(metrics["val_loss"], "validation loss", number)
        if self.pieces > 1:
            metrics["micro_batches"] = self.pieces
        return metrics | {"seconds": time.perf_counter() - start}

    def _steps(self, number: int) -> Tensor:
        """All steps of an epoch; gives the summed loss (1,)."""
        self.module.train()
        self.network.train()
        recipe, placed, optimizer = self.recipe, self.placed, self.optimizer
        done, steps, all_steps = sum(self.steps[: number - 1]), self.steps[number - 1], sum(self.steps)
        count = steps * self.size
        _, _, height, width = placed.train.images.shape
        size = size_at(recipe, number, height, width)
        own = self.team.share(self.size)
        share = own.stop - own.start
        drawn = torch.randperm(len(placed.train), generator=self.rng)[:count]
        order = placed.train.nearby(drawn.view(steps, self.size)[:, own].flatten())
        moves = Moves.draw(count, height, width, recipe, self.rng).to(placed.device)
        loss_sum = torch.zeros(1, device=placed.device)
        for step in range(steps):
            first = step * self.size
            images, labels = placed.train.take(order[step * share : (step + 1) * share])
            batch = augmented(images, labels, moves[first + own.start : first + own.stop], recipe, placed)
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr_at(done + step, all_steps)
            batch = replace(batch, images=shrunk(batch.images, size))
            loss_sum += twice(partial(self._gradients, batch), self._train_less, placed.device)
            self._update()
        return loss_sum

    def _gradients(self, batch: Batch) -> Tensor:
        """The gradient of a batch's loss, left in the parameters; gives the loss.

        A team takes the mean of its members' gradients, whatever their shares are: each counts by its share of the
        batch, times the members.
        """
        self.optimizer.zero_grad()  # here, so that the last step's do not lie beside the activations
        total = torch.zeros(1, device=self.placed.device)
        for part in batch.micro_batches(self.pieces) if self.pieces > 1 else [batch]:
            weight = len(part.labels) / self.size * self.team.size
            loss = batch_loss(*self.outputs(part.images), part, self.recipe) * weight
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _train_less(self) -> bool:
        """Halve the micro-batches, once; whether that could be done: batch normalisation needs two images in each.

        In a team one member cannot take a step back by itself.
        """
        if self.pieces > 1 or self.size < 4 or self.team.size > 1:
            return False
        self.pieces = 2
        return True

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

    def _even_out(self) -> None:
        """Give all members of a team the mean of their statistics of normalisation; the weights are equal anyway."""
        self.team.even_out([buffer for buffer in self.module.buffers() if buffer.is_floating_point()])
        if self.average is not None:
            self.team.even_out(self.average.of_buffers)

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
