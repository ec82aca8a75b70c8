"""The options of a recipe that change images: what each does, against loops and torchvision, and where it is drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.transforms import functional as reference

from nas.data import Dataset, Split
from nas.recipe import Recipe
from nas.training import colour, geometry
from nas.training.augmentation import Batch, Moves, augmented
from nas.training.placement import place
from nas.training.randaugment import PLACE, STRONGEST, Strengths
from nas.training.train import train

CPU = torch.device("cpu")
PLAIN = Recipe(epochs=1, batch_size=8, precision="float32")


pytestmark = pytest.mark.usefixtures("one_thread")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 24, channels: int = 3, height: int = 12, width: int = 10) -> Dataset:
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (count, channels, height, width), dtype=np.uint8), rng.integers(0, 3, count))
    return Dataset(
        *("pictures", f"pictures-{channels}", (channels, height, width), ("a", "b", "c"), split, split),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )


def changed(recipe: Recipe, data: Dataset, seed: int = 0) -> tuple[Tensor, Batch]:
    """All training images as one batch, in order: untouched and normalised, and with this recipe's moves."""
    placed = place(data, CPU)
    images, labels = placed.train.take(slice(0, len(data.train.labels)))
    moves = Moves.draw(len(labels), *images.shape[2:], recipe, seeded(seed))
    return placed.normalised(images), augmented(images, labels, moves, recipe, placed)


# Colour


@given(st.integers(0, 10**6), st.sampled_from([1, 3]))
@settings(max_examples=25, deadline=None)
def test_colours_change_as_those_of_torchvision(seed: int, channels: int) -> None:
    rng = seeded(seed)
    images = torch.rand(4, channels, 5, 6, generator=rng)
    factors = 2 * torch.rand(4, 3, generator=rng)
    result = colour.recoloured(images * 255, factors) / 255
    for image, given_factors, found in zip(images, factors.tolist(), result, strict=True):
        expected = reference.adjust_brightness(image, given_factors[0])
        expected = reference.adjust_contrast(expected, given_factors[1])
        expected = reference.adjust_saturation(expected, given_factors[2])
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_factors_of_one_change_no_colour() -> None:
    images = torch.randint(256, (3, 2, 4, 4), generator=seeded()).float()
    torch.testing.assert_close(colour.recoloured(images, torch.ones(3, 3)), images)


def test_posterizing_and_solarizing_are_those_of_bytes() -> None:
    images = torch.randint(256, (5, 3, 6, 6), generator=seeded(), dtype=torch.uint8)
    bits, threshold = torch.tensor([8.0, 7, 6, 5, 4]), torch.tensor([256.0, 255, 128, 1, 0])
    posterized, solarized = colour.posterized(images.float(), bits), colour.solarized(images.float(), threshold)
    for n in range(5):
        assert torch.equal(posterized[n].byte(), reference.posterize(images[n], int(bits[n])))
        expected = images[n] if n == 0 else reference.solarize(images[n], float(threshold[n]))  # 256: of no pixel
        assert torch.equal(solarized[n].byte(), expected)


def test_jitter_changes_each_image_by_factors_of_its_own_within_the_range() -> None:
    moves = Moves.draw(4000, 8, 8, replace(PLAIN, jitter=0.4), seeded())
    assert moves.factors is not None
    assert moves.factors.shape == (4000, 3)
    assert 0.6 <= float(moves.factors.min()) < 0.61
    assert 1.39 < float(moves.factors.max()) <= 1.4
    assert moves.factors.mean(0).tolist() == pytest.approx([1, 1, 1], abs=0.02)
    correlation = torch.corrcoef(moves.factors.T)
    assert (correlation - torch.eye(3)).abs().max() < 0.06


# Shape


def ramps(height: int, width: int) -> Tensor:
    """(1, 2, H, W): each pixel's own place, x then y, from -1 to 1, so that a result says where it was read."""
    y, x = torch.meshgrid(_centres(height), _centres(width), indexing="ij")
    return torch.stack((x, y))[None]


def _centres(size: int) -> Tensor:
    return (2 * torch.arange(size) + 1) / size - 1


@given(st.integers(0, 10**6), st.floats(0.05, 1), st.integers(8, 40), st.integers(8, 40))
@settings(max_examples=30, deadline=None)
def test_a_crop_is_a_window_within_the_image_resized(seed: int, smallest: float, height: int, width: int) -> None:
    maps = geometry.crops(smallest, 16, height, width, seeded(seed))
    result = geometry.resampled(ramps(height, width).expand(16, -1, -1, -1), maps, extended=True)
    for n in range(16):
        wide, high = float(maps[n, 0, 0]), float(maps[n, 1, 1])
        assert 0 < wide <= 1
        assert 0 < high <= 1
        x = _centres(width) * wide + maps[n, 0, 2]  # where the crop's pixels lie
        y = _centres(height) * high + maps[n, 1, 2]
        assert -1 <= float(x.min()) <= float(x.max()) <= 1
        assert -1 <= float(y.min()) <= float(y.max()) <= 1
        limit_x, limit_y = 1 - 1 / width, 1 - 1 / height  # beyond the outermost centres the edge is repeated
        torch.testing.assert_close(result[n, 0, 0], x.clamp(-limit_x, limit_x), atol=1e-4, rtol=0)
        torch.testing.assert_close(result[n, 1, :, 0], y.clamp(-limit_y, limit_y), atol=1e-4, rtol=0)


def test_crops_have_the_areas_and_the_ratios_they_should() -> None:
    height, width = 48, 64
    maps = geometry.crops(0.2, 20_000, height, width, seeded())
    wide, high = maps[:, 0, 0] * width, maps[:, 1, 1] * height
    whole = (wide < width) & (high < height)  # a side that would be longer is cut
    area, ratio = (wide * high / (width * height))[whole], (wide / high)[whole].log()
    assert float(area.min()) == pytest.approx(0.2, abs=0.002)
    assert float(ratio.min()) == pytest.approx(-math.log(4 / 3), abs=0.01)
    assert float(ratio.max()) == pytest.approx(math.log(4 / 3), abs=0.01)
    small = (wide * high / (width * height))[(wide * high) < 0.5 * width * height]
    assert float(small.mean()) == pytest.approx(0.35, abs=0.005)  # uniform from 0.2 to 0.5
    assert float((maps[:, 0, 2] / (1 - maps[:, 0, 0])).nan_to_num()[whole].mean()) == pytest.approx(0, abs=0.02)


def test_a_crop_of_the_whole_area_of_a_square_leaves_little_out() -> None:
    before, after = changed(replace(PLAIN, resized_crop=1.0), pictures(height=16, width=16))
    assert before.shape == after.images.shape
    maps = geometry.crops(1.0, 500, 16, 16, seeded())
    assert float((maps[:, 0, 0] * maps[:, 1, 1]).min()) >= 0.75 - 1e-5


def still(count: int = 1) -> dict[str, Tensor]:
    return {"shear": torch.zeros(count, 2), "shift": torch.zeros(count, 2), "angle": torch.zeros(count)}


def warped(images: Tensor, **what: list[float] | list[list[float]]) -> Tensor:
    height, width = images.shape[2:]
    options = still() | {name: torch.tensor(values) for name, values in what.items()}
    return geometry.resampled(images, geometry.moved(**options, height=height, width=width))


IMAGE = torch.rand(1, 3, 6, 8, generator=seeded())
SQUARE = torch.rand(1, 3, 7, 7, generator=seeded())


def test_nothing_moved_is_nothing_changed() -> None:
    torch.testing.assert_close(warped(IMAGE), IMAGE)


def test_a_shift_moves_by_its_share_of_the_side_and_leaves_zeros() -> None:
    result = warped(IMAGE, shift=[[2 / 8, 1 / 6]])
    torch.testing.assert_close(result[..., :5, :6], IMAGE[..., 1:, 2:])
    assert float(result[..., 5, :].abs().max()) < 1e-5
    assert float(result[..., 6:].abs().max()) < 1e-5


def test_a_quarter_turn_is_counterclockwise_and_a_half_turn_is_of_any_image() -> None:
    torch.testing.assert_close(warped(SQUARE, angle=[math.pi / 2]), SQUARE.rot90(1, (2, 3)), atol=1e-4, rtol=0)
    torch.testing.assert_close(warped(IMAGE, angle=[math.pi]), IMAGE.rot90(2, (2, 3)), atol=1e-4, rtol=0)


def test_turns_keep_distances_and_shears_are_of_pixels() -> None:
    height, width, angle = 20, 30, 0.2
    turned = geometry.moved(**(still() | {"angle": torch.tensor([angle])}), height=height, width=width)[0]
    pixels = torch.diag(torch.tensor([width / 2, height / 2])) @ turned[:2, :2]
    pixels = pixels @ torch.diag(torch.tensor([2 / width, 2 / height]))
    torch.testing.assert_close(pixels @ pixels.T, torch.eye(2))
    assert float(pixels[1, 0]) == pytest.approx(math.sin(angle))
    result = warped(ramps(height, width), shear=[[0.3, 0.0]])
    x = ((result[0, 0] + 1) * width - 1) / 2  # in pixels
    assert float(x[11, 15] - x[10, 15]) == pytest.approx(0.3, abs=1e-4)  # each row reads 0.3 pixels further right
    assert float(x[10, 16] - x[10, 15]) == pytest.approx(1, abs=1e-4)
    result = warped(ramps(height, width), shear=[[0.0, 0.3]])
    y = ((result[0, 1] + 1) * height - 1) / 2
    assert float(y[10, 16] - y[10, 15]) == pytest.approx(0.3, abs=1e-4)


# RandAugment-like


def test_each_image_draws_so_many_operations_all_equally_often_in_both_directions() -> None:
    values = Strengths.draw(1, 0.6, 11_000, seeded()).values
    assert (values != 0).sum(1).tolist() == [1] * 11_000
    assert sorted(values.unique().tolist()) == pytest.approx([-0.6, 0, 0.6])
    assert [int(n) for n in (values != 0).sum(0)] == pytest.approx([1000] * len(STRONGEST), rel=0.12)
    assert abs(float(values.mean(0).abs().max())) < 0.01
    several = Strengths.draw(3, 0.6, 1000, seeded()).values
    assert int((several != 0).sum(1).max()) == 3
    assert float(several.abs().max()) == 1  # 1.2 and more are cut


def alone(name: str, strength: float, count: int = 1) -> Strengths:
    values = torch.zeros(count, len(STRONGEST))
    values[:, PLACE[name]] = strength
    return Strengths(values)


def test_every_operation_is_what_its_name_says() -> None:
    for name in STRONGEST:
        drawn = alone(name, 0.5)
        maps, factors = drawn.maps(10, 10), drawn.factors()
        assert (not torch.equal(maps, torch.eye(3)[None])) == (name.split("_")[0] in ("shear", "shift", "rotate"))
        assert (factors != 1).nonzero().tolist() == (
            [[0, ("brightness", "contrast", "saturation").index(name)]]
            if name in ("brightness", "contrast", "saturation")
            else []
        )
        assert (float(drawn.bits()) != 8) == (name == "posterize")
        assert (float(drawn.threshold()) != 256) == (name == "solarize")
    assert alone("brightness", -1).factors()[0].tolist() == pytest.approx([0.1, 1, 1])
    assert float(alone("posterize", -1).bits()) == 4
    assert float(alone("solarize", 0.5).threshold()) == 128
    assert float(alone("rotate", 1).amount("rotate")) == pytest.approx(math.pi / 6)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_magnitude_nought_leaves_images_and_more_changes_them_more(channels: int) -> None:
    data = pictures(channels=channels)
    distances = []
    for magnitude in (0.0, 0.3, 1.0):
        before, after = changed(replace(PLAIN, randaugment=2, magnitude=magnitude), data)
        assert bool(after.images.isfinite().all())
        distances.append(float((before - after.images).abs().mean()))
    assert distances[0] < 1e-4
    assert 0.05 < distances[1] < distances[2]


# Mixing


def test_each_image_is_mixed_with_the_one_before_it_by_its_share() -> None:
    recipe, data = replace(PLAIN, mixup=0.4), pictures()
    before, after = changed(recipe, data)
    assert after.share is not None
    assert after.partners is not None
    for n in range(24):
        share = float(after.share[n])
        torch.testing.assert_close(after.images[n], share * before[n] + (1 - share) * before[n - 1])
        assert int(after.partners[n]) == int(after.labels[n - 1])
    assert after.labels.tolist() == data.train.labels.tolist()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_have_the_moments_of_the_beta_distribution(alpha: float) -> None:
    share = Moves.draw(20_000, 4, 4, replace(PLAIN, mixup=alpha), seeded()).share
    assert share is not None
    assert float(share.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(share.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 100.0])
def test_shares_of_any_alpha_are_shares(alpha: float) -> None:
    share = Moves.draw(1000, 4, 4, replace(PLAIN, mixup=alpha), seeded()).share
    assert share is not None
    assert bool(((share >= 0) & (share <= 1)).all())


def test_micro_batches_are_the_batch_in_order() -> None:
    _, batch = changed(replace(PLAIN, mixup=1.0), pictures(count=7))
    parts = list(batch.micro_batches(2))
    assert [len(part.labels) for part in parts] == [4, 3]
    for name in ("images", "labels", "partners", "share"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))


# Together


def test_recipes_without_the_options_draw_what_they_always_drew() -> None:
    """Results of such recipes are stored under the same key as before."""
    rng, again = seeded(3), seeded(3)
    moves = Moves.draw(50, 9, 7, replace(PLAIN, crop=2, flip=True, cutout=3), rng)
    top, left = (torch.randint(5, (50,), generator=again) for _ in range(2))
    mirrored = torch.randint(2, (50,), generator=again).bool()
    row, column = (torch.randint(limit, (50,), generator=again) for limit in (9, 7))
    expected = (top, left, mirrored, row, column)
    found = (moves.top, moves.left, moves.mirrored, moves.hole_row, moves.hole_column)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True) if a is not None)
    assert None not in found
    assert (moves.maps, moves.factors, moves.bits, moves.threshold, moves.share) == (None,) * 5
    assert torch.equal(rng.get_state(), again.get_state())


ALL = replace(
    PLAIN,
    epochs=2,
    crop=1,
    flip=True,
    cutout=3,
    mixup=0.3,
    randaugment=2,
    magnitude=0.5,
    resized_crop=0.4,
    jitter=0.4,
    ema=0.9,
    label_smoothing=0.1,
)


def test_a_slice_of_moves_moves_a_slice_of_images() -> None:
    recipe, data = replace(ALL, mixup=0.0), pictures()
    placed = place(data, CPU)
    images, labels = placed.train.take(slice(0, 24))
    moves = Moves.draw(24, 12, 10, recipe, seeded()).to(CPU)
    whole = augmented(images, labels, moves, recipe, placed).images
    some = augmented(images[5:11], labels[5:11], moves[5:11], recipe, placed).images
    torch.testing.assert_close(some, whole[5:11], atol=1e-5, rtol=1e-5)


def net(seed: int) -> nn.Module:
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 3)),
        )


def metrics(recipe: Recipe, seed: int) -> list[dict[str, float]]:
    epochs = train(net(0), pictures(), recipe, seed=seed, device=CPU)
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in epochs]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_one_seed_gives_the_same_metrics_with_every_option_on(optimizer: str) -> None:
    recipe = ALL.with_options({"optimizer": optimizer})
    first = metrics(recipe, 5)
    torch.rand(7)
    np.random.rand(7)
    assert metrics(recipe, 5) == first
    assert metrics(recipe, 6) != first


@pytest.mark.parametrize("option", ["mixup", "randaugment", "resized_crop", "jitter", "ema"])
def test_every_option_matters(option: str) -> None:
    off = ALL.with_options({option: 0})
    assert metrics(ALL, 5) != metrics(off, 5)
