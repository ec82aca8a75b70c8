"""Training: that it learns, is reproducible, says what went wrong, and changes images only as it should."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas.data import Dataset, Split
from nas.errors import RecipeError, TrainingError
from nas.recipe import Recipe
from nas.training import placement
from nas.training.augmentation import Moves, cut_out, shift
from nas.training.forward import narrow_type
from nas.training.optimizers import make_optimizer
from nas.training.placement import Placed, place
from nas.training.train import batch_of, measure, train

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=16, lr=0.1, precision="float32")


pytestmark = pytest.mark.usefixtures("one_thread")


def stripes(count: int, rng: np.random.Generator, size: int = 8) -> Split:
    """Three classes of two-channel images: horizontal stripes, vertical stripes, a chessboard; under noise."""
    labels = rng.integers(0, 3, count)
    row, column = np.indices((size, size))
    patterns = np.stack([row % 2, column % 2, (row + column) % 2])[labels][:, None] * np.array([60, 120]).reshape(
        2, 1, 1
    )
    images = (patterns + rng.integers(0, 120, (count, 2, size, size))).astype(np.uint8)
    return Split(images, labels.astype(np.int64))


def dataset(train: int = 96, validation: int = 60, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    return Dataset(
        name="stripes",
        key=f"stripes-{train}-{validation}-{seed}",
        image=(2, 8, 8),
        classes=("rows", "columns", "chess"),
        train=stripes(train, rng),
        validation=stripes(validation, rng),
        mean=(0.35, 0.47),
        std=(0.18, 0.27),
    )


DATA = dataset()


def network(seed: int = 0, dropout: float = 0.0, width: int = 8) -> nn.Sequential:
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            *(nn.Conv2d(2, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(width, 3)),
        )


def run(
    module: nn.Module, recipe: Recipe = RECIPE, data: Dataset | Placed = DATA, seed: int = 0
) -> list[dict[str, float]]:
    """All metrics but the time, which is not reproducible."""
    epochs = list(train(module, data, recipe, seed=seed, device=CPU))
    return [{name: value for name, value in metrics.items() if name != "seconds"} for metrics in epochs]


# What it gives


def test_it_learns() -> None:
    epochs = list(train(network(), DATA, replace(RECIPE, epochs=8), seed=0, device=CPU))
    assert [list(metrics) for metrics in epochs] == [["epoch", "train_loss", "val_loss", "val_accuracy", "seconds"]] * 8
    assert [metrics["epoch"] for metrics in epochs] == list(range(1, 9))
    assert epochs[-1]["val_accuracy"] > 0.9
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"] / 2
    assert all(type(value) is (int if name == "epoch" else float) for m in epochs for name, value in m.items())
    assert all(metrics["seconds"] > 0 for metrics in epochs)


def test_adamw_with_clipping_and_smoothing_learns() -> None:
    recipe = replace(RECIPE, epochs=8, optimizer="adamw", lr=0.02, clip=1.0, label_smoothing=0.1, schedule="cosine")
    assert run(network(), recipe)[-1]["val_accuracy"] > 0.9


AUGMENTED = replace(RECIPE, crop=1, flip=True, cutout=3)


def test_one_seed_gives_the_same_metrics_whatever_the_global_generators_did() -> None:
    first = run(network(dropout=0.3), AUGMENTED, seed=5)
    torch.rand(7)
    np.random.rand(7)
    random.random()
    assert run(network(dropout=0.3), AUGMENTED, seed=5) == first
    assert run(network(dropout=0.3), AUGMENTED, seed=6) != first


def test_dropout_follows_the_seed() -> None:
    assert run(network(dropout=0.5)) != run(network(dropout=0.0))


def test_training_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    for _ in train(network(dropout=0.5), DATA, RECIPE, seed=0, device=CPU):
        assert torch.equal(torch.get_rng_state(), before)


def test_two_children_in_turns_train_as_each_alone() -> None:
    alone = run(network(dropout=0.3), AUGMENTED)
    pairs = zip(
        train(network(dropout=0.3), DATA, AUGMENTED, seed=0, device=CPU),
        train(network(1, dropout=0.3), DATA, AUGMENTED, seed=1, device=CPU),
        strict=True,
    )
    assert [first["val_loss"] for first, _ in pairs] == [metrics["val_loss"] for metrics in alone]


def test_a_placed_dataset_serves_many_children() -> None:
    placed = place(DATA, CPU)
    assert run(network(), data=placed) == run(network(), data=placed) == run(network())


def test_measure_gives_what_validation_gave_in_batches_of_any_size() -> None:
    module = network()
    last = run(module)[-1]
    for size in (1, 7, 60, 1000):
        found = measure(module, DATA.validation, DATA, replace(RECIPE, eval_batch_size=size), device=CPU)
        assert found["accuracy"] == last["val_accuracy"]
        assert found["loss"] == pytest.approx(last["val_loss"], rel=1e-5)


def test_without_a_validation_split_there_are_no_validation_metrics() -> None:
    (metrics,) = run(network(), replace(RECIPE, epochs=1), dataset(validation=0))
    assert list(metrics) == ["epoch", "train_loss"]


def test_memory_layout_changes_rounding_only() -> None:
    a, b = (run(network(), replace(RECIPE, epochs=1, channels_last=last)) for last in (True, False))
    assert a[0]["train_loss"] == pytest.approx(b[0]["train_loss"], rel=1e-3)


def test_it_trains_in_bfloat16() -> None:
    epochs = run(network(), replace(RECIPE, epochs=5, precision="bf16"))
    assert epochs[-1]["val_accuracy"] > 0.6
    assert epochs != run(network(), replace(RECIPE, epochs=5))


# What it does in a step


class Recorder(nn.Module):
    """Logits from the mean of the image; notes the batches it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            self.seen.append(images.detach().clone())
        result: Tensor = self.head(images.mean((2, 3)))
        return result


@pytest.mark.parametrize(
    ("images", "largest", "size"),
    [(96, 16, 16), (97, 16, 13), (100, 64, 50), (1293, 64, 61), (5, 64, 5), (2, 2, 2), (3, 2, 2), (5, 2, 2), (7, 3, 2)],
)
def test_an_epoch_is_cut_into_batches_of_one_size(images: int, largest: int, size: int) -> None:
    assert batch_of(images, largest) == size


@given(st.integers(2, 5000), st.integers(2, 600))
def test_batches_are_never_of_one_image_nor_too_large(images: int, largest: int) -> None:
    size = batch_of(images, largest)
    assert 2 <= size <= largest
    assert images // size >= 1
    assert images % size < images // size or images % size == 1


def test_each_image_is_seen_once_an_epoch_in_another_order() -> None:
    module = Recorder()
    run(module, replace(RECIPE, epochs=2))
    assert [len(batch) for batch in module.seen] == [16] * 12
    first, second = torch.cat(module.seen[:6]), torch.cat(module.seen[6:])
    assert not torch.equal(first, second)
    expected = place(DATA, CPU).normalised(torch.from_numpy(DATA.train.images))
    for epoch in (first, second):
        assert sorted(epoch.flatten(1).sum(1).tolist()) == pytest.approx(sorted(expected.flatten(1).sum(1).tolist()))


def test_images_arrive_with_zero_mean_and_unit_variance() -> None:
    pixels = DATA.train.images / 255
    data = replace(DATA, mean=tuple(pixels.mean((0, 2, 3))), std=tuple(pixels.std((0, 2, 3))))
    module = Recorder()
    run(module, replace(RECIPE, epochs=1), data)
    images = torch.cat(module.seen)
    assert images.mean((0, 2, 3)).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert images.std((0, 2, 3)).tolist() == pytest.approx([1, 1], abs=1e-3)


def test_one_step_is_plain_gradient_descent() -> None:
    """A whole epoch in one batch, without momentum, against the formula w - lr (gradient + decay w)."""
    data = dataset(train=10, validation=4)
    recipe = replace(
        RECIPE, epochs=1, batch_size=10, lr=0.5, schedule="constant", warmup=0, momentum=0, weight_decay=0.1
    )
    module, by_hand = Recorder(), Recorder()
    by_hand.load_state_dict(module.state_dict())
    images = place(data, CPU).normalised(torch.from_numpy(data.train.images))
    nn.functional.cross_entropy(by_hand(images), torch.from_numpy(data.train.labels)).backward()
    weight, bias = by_hand.head.weight, by_hand.head.bias
    assert weight.grad is not None
    assert bias.grad is not None
    run(module, recipe, data)
    torch.testing.assert_close(module.head.weight, weight - 0.5 * (weight.grad + 0.1 * weight))
    torch.testing.assert_close(module.head.bias, bias - 0.5 * bias.grad)


def test_every_step_has_the_rate_of_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    plain_step = torch.optim.SGD.step

    def noting(self: torch.optim.SGD, closure: None = None) -> None:
        rates.extend({group["lr"] for group in self.param_groups})
        plain_step(self, closure)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)
    recipe = replace(RECIPE, epochs=2, schedule="cosine", warmup=0.25)
    run(network(), recipe)
    assert rates == [recipe.lr_at(step, 12) for step in range(12)]


def test_norms_and_biases_do_not_decay_unless_asked() -> None:
    module = network()
    groups = make_optimizer(list(module.parameters()), RECIPE).param_groups
    assert [group["weight_decay"] for group in groups] == [RECIPE.weight_decay, 0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert all(p.ndim == 1 for p in groups[1]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(module.parameters()))
    (group,) = make_optimizer(list(module.parameters()), replace(RECIPE, decay_norm_and_bias=True)).param_groups
    assert group["weight_decay"] == RECIPE.weight_decay


# What goes wrong


def test_a_loss_that_is_not_a_number_names_epoch_and_rate() -> None:
    class Spoiled(Recorder):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * (torch.nan if len(self.seen) == 7 else 1.0)

    with pytest.raises(TrainingError, match=r"^loss became NaN in epoch 2 \(lr 0\.1, sgd\); lower lr"):
        run(Spoiled())


def test_a_rate_that_is_far_too_high_is_an_error() -> None:
    with pytest.raises(TrainingError, match=r"loss became (NaN|infinite) in epoch \d+ \(lr 1e\+30"):
        run(network(), replace(RECIPE, lr=1e30, momentum=0.0, schedule="constant", warmup=0.0))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has …"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: …"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_what_to_lower_and_lets_go_of_the_activations(error: Exception) -> None:
    class Greedy(Recorder):
        def forward(self, images: Tensor) -> Tensor:
            if self.training and len(self.seen) == 6:
                raise error
            return super().forward(images)

    with pytest.raises(TrainingError) as caught:
        run(Greedy())
    message = "out of memory on cpu in epoch 2, with batch_size 16 and eval_batch_size 1024; lower them"
    assert message in str(caught.value)
    assert caught.value.__context__ is None  # it would hold the frames, and with them the activations


def test_other_errors_pass_through() -> None:
    class Broken(Recorder):
        def forward(self, images: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run(Broken())


def test_one_image_is_too_few() -> None:
    with pytest.raises(TrainingError, match="at least 2 images; the dataset has 1"):
        run(network(), data=dataset(train=1))


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(RecipeError, match="precision fp16 needs a GPU"):
        narrow_type(replace(RECIPE, precision="fp16"), CPU)
    assert narrow_type(replace(RECIPE, precision="auto"), CPU) is None


class Exits(Recorder):
    """Gives its scores twice: as the main output and as an auxiliary classifier's."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        scores = super().forward(images)
        return {"stage1.auxiliary": -scores, "main": scores}


def test_auxiliary_losses_are_added_by_their_weight_in_training_only() -> None:
    def first(module: Recorder, weight: float) -> dict[str, float]:
        return run(module, recipe=replace(RECIPE, epochs=1, lr=1e-12, auxiliary=weight))[0]

    def made(kind: type[Recorder]) -> Recorder:
        torch.manual_seed(0)
        return kind()

    plain = first(made(Recorder), 0.3)
    none, half, whole = (first(made(Exits), weight) for weight in (0.0, 0.5, 1.0))
    assert none["train_loss"] == pytest.approx(plain["train_loss"])
    assert whole["train_loss"] > half["train_loss"] > none["train_loss"]
    added = [each["train_loss"] - none["train_loss"] for each in (half, whole)]
    assert added[1] == pytest.approx(2 * added[0], rel=1e-4)
    assert whole["val_loss"] == pytest.approx(plain["val_loss"])
    assert whole["val_accuracy"] == plain["val_accuracy"]


# Where the images lie


def test_images_on_the_host_train_as_those_on_the_device() -> None:
    placed = place(DATA, CPU)
    on_host = replace(placed, train=replace(placed.train, images=DATA.train.images))
    which = torch.tensor([5, 3, 3])
    for index in (which, slice(2, 9)):
        for a, b in zip(placed.train.take(index), on_host.train.take(index), strict=True):
            assert torch.equal(a, b)
    assert run(network(), data=on_host) == run(network(), data=placed)


def test_the_cpu_shares_the_images_memory_and_copies_what_is_read_only() -> None:
    writable, frozen = DATA.train, stripes(4, np.random.default_rng(0))
    frozen.images.flags.writeable = False
    shared, copied = (placement.place_split(split, CPU).images for split in (writable, frozen))
    assert isinstance(shared, Tensor)
    assert isinstance(copied, Tensor)
    assert shared.data_ptr() == writable.images.ctypes.data
    assert copied.data_ptr() != frozen.images.ctypes.data
    assert np.array_equal(copied.numpy(), frozen.images)


# Augmentation

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(0, 3), st.booleans(), st.integers(0, 2**32))
def test_crops_and_mirrors_are_those_of_a_loop(
    shape: tuple[int, int, int, int], crop: int, flip: bool, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    count, _, height, width = shape
    images = torch.randint(1, 256, shape, generator=rng, dtype=torch.uint8)
    moves = Moves.draw(count, height, width, Recipe(crop=crop, flip=flip), rng)
    result = shift(images, moves, crop)
    assert result.dtype == torch.uint8
    assert result.shape == images.shape
    for n in range(count):
        expected = images[n].numpy()
        if moves.top is not None and moves.left is not None:
            top, left = int(moves.top[n]), int(moves.left[n])
            padded = np.pad(expected, ((0, 0), (crop, crop), (crop, crop)))
            expected = padded[:, top : top + height, left : left + width]
        if moves.mirrored is not None and moves.mirrored[n]:
            expected = expected[:, :, ::-1]
        assert np.array_equal(result[n].numpy(), expected)
    assert (moves.top is None, moves.mirrored is None) == (crop == 0, not flip)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(1, 7), st.integers(0, 2**32))
def test_holes_are_those_of_a_loop(shape: tuple[int, int, int, int], size: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    count, _, height, width = shape
    images = torch.rand(shape, generator=rng) + 1
    moves = Moves.draw(count, height, width, Recipe(cutout=size), rng)
    result = cut_out(images, moves, size)
    assert moves.hole_row is not None
    assert moves.hole_column is not None
    for n in range(count):
        top, left = int(moves.hole_row[n]) - size // 2, int(moves.hole_column[n]) - size // 2
        expected = images[n].clone()
        expected[:, max(top, 0) : top + size, max(left, 0) : left + size] = 0
        assert torch.equal(result[n], expected)


def test_images_differ_in_their_moves_and_cover_the_range() -> None:
    moves = Moves.draw(2000, 8, 6, Recipe(crop=2, flip=True, cutout=3), torch.Generator().manual_seed(0))
    parts = (moves.top, moves.left, moves.mirrored, moves.hole_row, moves.hole_column)
    for part, values in zip(parts, (5, 5, 2, 8, 6), strict=True):
        assert part is not None
        counts = torch.bincount(part.int())
        assert len(counts) == values
        assert counts.min() > 2000 / values * 0.75
    some = moves[3:8].top
    assert some is not None
    assert len(some) == 5


def test_labels_stay_with_their_images() -> None:
    """A mark at the centre of each image gives its label away, whatever is done to the rest of it."""
    data = dataset(train=64)
    images = np.zeros_like(data.train.images)
    images[:, 0, 2:6, 2:6] = (40 * (data.train.labels + 1)).astype(np.uint8)[:, None, None]
    data = replace(data, train=Split(images, data.train.labels), mean=(0.0, 0.0), std=(1.0, 1.0))
    pairs: list[tuple[Tensor, Tensor]] = []
    placed = place(data, CPU)

    class Marked(Recorder):
        pass

    module = Marked()
    plain = nn.functional.cross_entropy

    def noting(logits: Tensor, labels: Tensor, **options: object) -> Tensor:
        if module.training:
            pairs.append((module.seen[-1], labels))
        return plain(logits, labels, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.functional, "cross_entropy", noting)
        run(module, replace(RECIPE, epochs=1, crop=1, flip=True), placed)
    assert len(pairs) == 4
    for batch, labels in pairs:
        assert torch.equal((batch[:, 0].amax((1, 2)) * 255 / 40).round().long() - 1, labels)
