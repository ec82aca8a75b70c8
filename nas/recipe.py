"""`Recipe`: every hyperparameter of training a child, as one frozen value that is hashed into the cache key."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

from nas.errors import RecipeError, unknown

Optimizer: TypeAlias = Literal["sgd", "adamw"]
Schedule: TypeAlias = Literal["onecycle", "cosine", "step", "constant"]
Precision: TypeAlias = Literal["float32", "bf16", "fp16", "auto"]
Compile: TypeAlias = Literal["off", "default", "reduce-overhead", "max-autotune"]

LARGEST = sys.float_info.max  # so that infinity, NaN and whole numbers beyond it are out of every range
# Up to so many pixels: how many steps a child gets, and in how many epochs at least (for learning curves to compare).
STEPS_WANTED: tuple[tuple[float, int, int], ...] = ((16, 160, 4), (31, 400, 4), (63, 700, 4), (math.inf, 900, 5))
MANY, PHOTOGRAPH = 20_000, 64  # from so many images of so many pixels on `for_data` gives `imagenet`
DROPS = (0.5, 0.75)  # where in training the schedule "step" divides by ten
# Fields that came after recipes were first stored, with their defaults: left out of the key, so that it stays.
LATER: dict[str, Any] = {
    "auxiliary": 0.3,
    "mixup": 0.0,
    "randaugment": 0,
    "magnitude": 0.3,
    "ema": 0.0,
    "resized_crop": 0.0,
    "jitter": 0.0,
    "first_images": 1.0,
    "first_side": 1.0,
    "compile": "off",
}
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class _Rule:
    """What one field may hold: a kind, and a range or choices."""

    kind: type
    low: float = 0.0
    high: float = LARGEST
    open_low: bool = False  # whether `low` itself is out
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        if self.kind is bool:
            return "true or false"
        if self.choices:
            return f"one of: {', '.join(self.choices)}"
        noun = "a whole number" if self.kind is int else "a number"
        low = f"above {self.low:g}" if self.open_low else f"at least {self.low:g}"
        return f"{noun} {low}" + (f" and at most {self.high:g}" if self.high < LARGEST else "")

    def accepts(self, value: object) -> bool:
        if self.kind is bool:
            return isinstance(value, bool)
        if self.kind is str:
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else (int, float)):
            return False
        return (value > self.low if self.open_low else value >= self.low) and value <= self.high

    def read(self, text: str) -> Any:
        """The value that a text on the command line stands for; ValueError when it stands for none."""
        text = text.strip()
        if self.kind is bool:
            if text.lower() not in YES + NO:
                raise ValueError(text)
            return text.lower() in YES
        return self.kind(text)


def _whole(low: int, high: float = LARGEST) -> _Rule:
    return _Rule(int, low, high)


def _real(low: float = 0.0, high: float = LARGEST, *, open_low: bool = False) -> _Rule:
    return _Rule(float, low, high, open_low)


def _one_of(literal: Any) -> _Rule:
    return _Rule(str, choices=get_args(literal))


# In the order of the fields; a test compares the names.
RULES: dict[str, _Rule] = {
    "epochs": _whole(1),
    "batch_size": _whole(2),
    "optimizer": _one_of(Optimizer),
    "lr": _real(open_low=True),
    "schedule": _one_of(Schedule),
    "warmup": _real(high=1.0),
    "momentum": _real(high=0.9999),
    "nesterov": _Rule(bool),
    "weight_decay": _real(),
    "decay_norm_and_bias": _Rule(bool),
    "label_smoothing": _real(high=0.9999),
    "clip": _real(),
    "crop": _whole(0),
    "flip": _Rule(bool),
    "cutout": _whole(0),
    "precision": _one_of(Precision),
    "channels_last": _Rule(bool),
    "eval_batch_size": _whole(1),
    "auxiliary": _real(),
    "mixup": _real(high=100.0),
    "randaugment": _whole(0, 10),
    "magnitude": _real(high=1.0),
    "ema": _real(high=0.99999),
    "resized_crop": _real(high=1.0),
    "jitter": _real(high=1.0),
    "first_images": _real(high=1.0, open_low=True),
    "first_side": _real(high=1.0, open_low=True),
    "compile": _one_of(Compile),
}


@dataclass(frozen=True)
class Recipe:
    """How a child is trained. `Recipe.for_data` gives a good one; vary it with `dataclasses.replace`.

    Raises `RecipeError` for a value out of range, naming the field.
    """

    epochs: int = 10
    batch_size: int = 128  # images a step, at most: an epoch is cut into batches of one size
    optimizer: Optimizer = "sgd"
    lr: float = 0.1  # at its peak
    schedule: Schedule = "onecycle"
    warmup: float = 0.2  # share of the steps in which lr rises linearly to its peak
    momentum: float = 0.9  # of sgd; beta 1 of adamw
    nesterov: bool = True  # sgd only, and only with momentum
    weight_decay: float = 5e-4
    decay_norm_and_bias: bool = False  # whether vectors (norm scales and shifts, biases) decay too
    label_smoothing: float = 0.0
    clip: float = 0.0  # largest norm of the gradient; 0: not clipped
    crop: int = 0  # pixels of padding on each side, from which a random crop is taken
    flip: bool = False  # mirror half of the images left to right
    cutout: int = 0  # side of the square that is blanked, in pixels; 0: none
    precision: Precision = "auto"
    # Memory layout: results differ by rounding only. On a CPU too channels last takes a quarter to a half less time,
    # for tiny and for grouped convolutions as well.
    channels_last: bool = True
    eval_batch_size: int = 1024
    auxiliary: float = 0.3  # weight of the loss of each auxiliary classifier, where a network has them; 0: none drawn
    mixup: float = 0.0  # both parameters of the beta distribution that mixes two images; 0: not mixed
    randaugment: int = 0  # random operations an image; 0: none
    magnitude: float = 0.3  # of those operations, as a share of the strongest
    ema: float = 0.0  # decay a step of the averaged weights, which are measured in place of the last; 0: not averaged
    resized_crop: float = 0.0  # smallest share of the area that a random crop takes, resized to the image; 0: none
    jitter: float = 0.0  # brightness, contrast and saturation change by a factor within 1 ± this; 0: not changed
    first_images: float = 1.0  # share of the training images in the first epoch, rising to all in the last
    first_side: float = 1.0  # side of the images in the first epoch, as a share, rising to 1 in the last
    compile: Compile = "off"  # mode of torch.compile; "reduce-overhead" replays steps as CUDA graphs on a GPU

    def __post_init__(self) -> None:
        for name, rule in RULES.items():
            value = getattr(self, name)
            if not rule.accepts(value):
                raise RecipeError(f"recipe: {name} must be {rule.allowed}; got {value!r}")
            if rule.kind is float:  # 1 and 1.0, 0.0 and -0.0 are one recipe and must have one key
                object.__setattr__(self, name, float(value) + 0.0)

    @cached_property
    def key(self) -> str:
        """16 hex characters, from the content alone."""
        content = {name: value for name, value in self.to_json().items() if name not in LATER or value != LATER[name]}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return {name: getattr(self, name) for name in RULES}  # once a child: `asdict` takes ten times as long

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_json` wrote; a field that is not there has its default.

        Raises `RecipeError` for an unknown field or a value out of range.
        """
        for name in document:
            if name not in RULES:
                raise RecipeError(unknown("recipe field", name, RULES))
        return cls(**document)

    def with_options(self, options: Mapping[str, Any]) -> Recipe:
        """This recipe with some fields replaced: by values, or by texts from a command line, such as `{"lr": "0.1"}`.

        Raises `RecipeError` for an unknown field, or a text that its field cannot have.
        """
        values: dict[str, Any] = {}
        for name, text in options.items():
            if name not in RULES:
                raise RecipeError(unknown("recipe field", name, RULES))
            try:
                values[name] = RULES[name].read(text) if isinstance(text, str) else text
            except ValueError:
                raise RecipeError(f"recipe: {name} must be {RULES[name].allowed}; got {text!r}") from None
        return replace(self, **values)

    def lr_at(self, step: int, steps: int) -> float:
        """The learning rate of one step, counted from 0, of `steps` in all.

        Every schedule first rises linearly through `warmup` (Goyal et al. 2017, section 2.2). Then "onecycle" falls
        linearly to zero (Smith & Topin 2018), "cosine" as half a cosine (Loshchilov & Hutter 2017), "step" is
        divided by ten at half and at three quarters of all steps (He et al. 2016, section 4.2), "constant" stays.
        """
        rising = min(round(self.warmup * steps), steps - 1)
        if step < rising:
            return self.lr * (step + 1) / (rising + 1)
        done = (step - rising) / (steps - rising)
        if self.schedule == "onecycle":
            return self.lr * (1 - done)
        if self.schedule == "cosine":
            return self.lr * (1 + math.cos(math.pi * done)) / 2
        if self.schedule == "step":
            return self.lr * 0.1 ** sum(step >= share * steps for share in DROPS)
        return self.lr

    @classmethod
    def for_data(cls, images: int, size: int) -> Recipe:
        """A short recipe to rank children by, for so many training images of `size` × `size` pixels.

        One-cycle SGD with the steps that a ranking needs, not the best final accuracy. On digits a child of 3 MFLOPs
        then takes 3 s of one CPU thread, and small residual networks reach 0.98 ± 0.01. Below 32 pixels images are
        mostly drawn symbols, which neither mirror nor crop leaves what they are: no augmentation. From 20,000 images
        of 64 pixels on it is `imagenet`, with the epochs that a ranking needs. Raises `RecipeError`.
        """
        for what, number in (("images", images), ("pixels", size)):
            if number < 1:
                raise RecipeError(f"no recipe for {number} {what}; there must be at least 1")
        wanted, fewest = next((steps, epochs) for largest, steps, epochs in STEPS_WANTED if size <= largest)
        batch = _power_of_two(images // 40, 32, 512 * 32 // max(size, 32))
        epochs = round(wanted / math.ceil(images / batch))
        if images >= MANY and size >= PHOTOGRAPH:
            return cls.imagenet(epochs=min(max(epochs, fewest), 16), size=size)
        natural = size >= 32
        return cls(
            epochs=min(max(epochs, fewest), 8 if natural and images >= MANY else 30),
            batch_size=batch,
            # Square-root scaling through 0.15 at 32 (measured on digits) or 0.4 at 512 (usual for CIFAR-10).
            lr=round((0.1 if natural else 0.15) * math.sqrt(batch / 32), 3),
            warmup=0.25 if natural else 0.4,
            # Costs 2 % of a step; without it networks that do not normalise (VGG) stay at chance at the others' rate.
            clip=1.0,
            label_smoothing=0.1 if natural else 0.0,
            crop=size // 8 if natural else 0,
            flip=natural,
            eval_batch_size=_power_of_two(1024 * 32**2 // max(size, 32) ** 2, 64, 1024),
        )

    @classmethod
    def imagenet(cls, epochs: int = 16, size: int = 224) -> Recipe:
        """For many photographs of `size` pixels, as ImageNet's.

        The usual ingredients: random crops resized, mirrors, colour jitter (Szegedy et al. 2015, section 6), a cosine
        after a warmup, 0.1 a 256 images (Goyal et al. 2017), label smoothing 0.1 (Szegedy et al. 2016), averaged
        weights. A crop takes 0.35 of the area at least, not 0.08: in 16 epochs a network does not see enough of
        each image otherwise. Not measured on ImageNet. Raises `RecipeError`.
        """
        batch = _power_of_two(256 * 224**2 // max(size, 1) ** 2, 32, 1024)
        return cls(
            epochs=epochs,
            batch_size=batch,
            lr=round(0.1 * batch / 256, 4),
            schedule="cosine",
            warmup=0.05,
            weight_decay=5e-5,
            label_smoothing=0.1,
            clip=5.0,
            flip=True,
            eval_batch_size=_power_of_two(1024 * 32**2 // max(size, 32) ** 2, 64, 1024),
            ema=0.999,
            resized_crop=0.35,
            jitter=0.4,
        )


def _power_of_two(number: int, low: int, high: int) -> int:
    """The largest power of two that is at most `number`, within limits of which `low` wins."""
    return max(min(1 << max(number, 1).bit_length() - 1, 1 << max(high, 1).bit_length() - 1), low)
