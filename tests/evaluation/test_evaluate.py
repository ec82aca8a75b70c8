"""Accuracy of networks: as training measures it, by views, as an ensemble, with classes by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from evaluation_cases import CPU, folder, on_digits, untrained
from torch import Tensor

from nas.data import DataSpec, load
from nas.errors import EvaluationError
from nas.evaluation.evaluate import Evaluation, evaluate, spec_for
from nas.evaluation.members import Member, of_checkpoint
from nas.evaluation.pictures import read_pictures
from nas.evaluation.scoring import Scorer
from nas.evaluation.views import Prepared, Views
from nas.training.train import measure
from searchspaces import NETWORKS

pytestmark = pytest.mark.usefixtures("one_thread")

DIGITS = DataSpec("digits")
LENET = NETWORKS["lenet5"]


@pytest.fixture(scope="module")
def digits(one_thread: None) -> Member:
    return of_checkpoint(on_digits(), "first")


def probabilities(member: Member, images: Tensor) -> Tensor:
    """Of bytes (N, C, H, W), all at once, by the network itself."""
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (member.mean, member.std))
    with torch.inference_mode():
        scores: Tensor = member.module(*images.shape[-2:])((images / 255 - mean) / std)
    return scores.softmax(1)


def test_a_single_view_measures_what_training_measures(digits: Member) -> None:
    data, checkpoint = load(DIGITS), on_digits()
    expected = measure(checkpoint.module(), data.test(), data, checkpoint.recipe, device=CPU)
    found = evaluate([digits], DIGITS)
    assert found.tally.found / found.tally.images == pytest.approx(expected["accuracy"])
    assert found.tally.to_json()["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert 0 < found.tally.found < found.tally.images == len(data.test())
    assert found.tally.confusion.trace() == found.tally.found
    assert found.tally.among_top >= found.tally.found


def test_the_validation_split_is_the_one_that_training_held_out(digits: Member) -> None:
    data, checkpoint = load(DIGITS), on_digits()
    expected = measure(checkpoint.module(), data.validation, data, checkpoint.recipe, device=CPU)
    found = evaluate([digits], spec_for([digits], None, None, "validation"), split="validation")
    assert found.tally.found / found.tally.images == pytest.approx(expected["accuracy"])


def test_batches_of_any_size_give_the_same(digits: Member) -> None:
    whole, parts = evaluate([digits], DIGITS), evaluate([digits], DIGITS, batch=7)
    assert parts.tally.loss == pytest.approx(whole.tally.loss, rel=1e-5)
    assert (parts.tally.confusion == whole.tally.confusion).all()


def test_an_ensemble_averages_probabilities(digits: Member) -> None:
    second = of_checkpoint(on_digits(1), "second")
    found = evaluate([digits, second], DIGITS)
    test = load(DIGITS).test()
    images, labels = torch.from_numpy(test.images), torch.from_numpy(test.labels)
    mean = (probabilities(digits, images) + probabilities(second, images)) / 2
    assert found.tally.found == int((mean.argmax(1) == labels).sum())
    assert found.tally.loss == pytest.approx(-float(mean.gather(1, labels[:, None]).log().sum()), rel=1e-4)
    alone = [each.tally for each in found.members]
    assert [tally.found for tally in alone] == [evaluate([each], DIGITS).tally.found for each in (digits, second)]
    assert alone[0].found != alone[1].found


def test_dense_at_the_networks_own_size_is_the_single_view(digits: Member) -> None:
    single, dense = evaluate([digits], DIGITS), evaluate([digits], DIGITS, views=Views("dense", resize=8))
    assert (dense.tally.confusion == single.tally.confusion).all()
    assert dense.tally.loss == pytest.approx(single.tally.loss, rel=1e-4)


def test_multi_scale_averages_the_scales(digits: Member) -> None:
    def loss(*scales: int) -> Evaluation:
        return evaluate([digits], DIGITS, views=Views("multi-scale", scales=scales))

    both, own, larger = loss(8, 11), loss(8), loss(11)
    assert min(own.tally.loss, larger.tally.loss) < both.tally.loss < max(own.tally.loss, larger.tally.loss)
    assert both.members[0].to_json()["views"] == 2


def test_ten_crops_average_the_crops(tmp_path: Path) -> None:
    classes = ("ant", "bee")
    member = of_checkpoint(untrained(NETWORKS["resnet8"].at(16), (3, 16, 16), classes, flip=True), "r")
    spec = DataSpec(f"folder:{folder(tmp_path, classes)}")
    found = evaluate([member], spec, views=Views("ten", resize=20))
    way = Prepared(3, 20, 20)
    (chunk,) = read_pictures(spec, "test").chunks([way], 99)
    images = torch.stack([torch.from_numpy(each.copy()) for each in chunk.pixels[way]])
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    crops = [images[..., top : top + 16, left : left + 16] for top, left in corners]
    mean = torch.stack([probabilities(member, part) for crop in crops for part in (crop, crop.flip(-1))]).mean(0)
    labels = torch.from_numpy(chunk.labels)
    assert found.tally.loss == pytest.approx(-float(mean.gather(1, labels[:, None]).log().sum()), rel=1e-4)


def test_classes_are_found_by_name_whatever_their_order(tmp_path: Path) -> None:
    names = ("ant", "bee", "cat")
    spec = DataSpec(f"folder:{folder(tmp_path, names)}")
    checkpoint = untrained(NETWORKS["resnet8"].at(16), (3, 16, 16), names)
    straight = evaluate([of_checkpoint(checkpoint, "r")], spec)
    turned = replace(
        checkpoint,
        classes=("cat", "ant", "bee"),
        weights={
            name: value[[2, 0, 1]] if value.dim() and len(value) == 3 and "linear" in name else value
            for name, value in checkpoint.weights.items()
        },
    )
    other = evaluate([of_checkpoint(turned, "r")], spec)
    assert (other.tally.confusion == straight.tally.confusion).all()
    assert other.tally.loss == pytest.approx(straight.tally.loss, rel=1e-5)
    assert straight.tally.to_json()["top5"] is None


@pytest.mark.parametrize(
    ("classes", "word"),
    [
        (("ant", "cow"), r"has 'bee', which r was not trained for; it lacks 'cow'$"),
        (("ant", "bee", "cow"), r"lacks 'cow', which r was trained for$"),
    ],
)
def test_classes_that_do_not_match_are_one_line(tmp_path: Path, classes: tuple[str, ...], word: str) -> None:
    member = of_checkpoint(untrained(NETWORKS["resnet8"].at(16), (3, 16, 16), classes), "r")
    with pytest.raises(EvaluationError, match=word):
        evaluate([member], DataSpec(f"folder:{folder(tmp_path, ('ant', 'bee'))}"))


def test_photographs_of_any_shape_are_seen_whole(tmp_path: Path) -> None:
    classes = ("ant", "bee")
    member = of_checkpoint(untrained(NETWORKS["lenet5"].at(32), (1, 28, 28), classes), "l")
    found = evaluate([member], DataSpec(f"folder:{folder(tmp_path, classes)}"), views=Views("multi-scale"))
    assert found.tally.images == 6
    assert found.members[0].to_json()["resized"] == [28, 32, 36]


@pytest.mark.parametrize(
    ("views", "word"),
    [
        (Views(crop=9), "trained for images of 8×8 pixels, not 9×9"),
        (Views("dense", resize=4), "too small"),
        (Views(resize=4), "raise resize"),
    ],
)
def test_sizes_that_a_network_cannot_take_are_one_line(digits: Member, views: Views, word: str) -> None:
    with pytest.raises(EvaluationError, match=f"first: .*{word}"):
        evaluate([digits], DIGITS, views=views)


def test_out_of_memory_halves_the_batch_and_then_says_so(digits: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    real, sizes = Scorer._forward, []

    def small(self: Scorer, module: object, look: object, images: Tensor) -> Tensor:
        sizes.append(len(images))
        if len(images) > limit:
            raise MemoryError
        return real(self, module, look, images)  # type: ignore[arg-type]

    expected = evaluate([digits], DIGITS).tally.confusion
    monkeypatch.setattr(Scorer, "_forward", small)
    limit = 50
    assert (evaluate([digits], DIGITS).tally.confusion == expected).all()
    assert sizes[:4] == [256, 128, 64, 32]
    assert max(sizes[4:]) == 32
    limit = 0
    with pytest.raises(EvaluationError, match="out of memory on cpu with one image of 8×8"):
        evaluate([digits], DIGITS)


def test_parts_of_a_dataset_that_differ_are_refused_but_for_the_test_split(digits: Member) -> None:
    other = replace(digits, dataset={**dict(digits.dataset or {}), "seed": 1})
    with pytest.raises(EvaluationError, match="different parts"):
        spec_for([digits, other], None, None, "validation")
    assert spec_for([digits, other], None, None, "test").name == "digits"
    with pytest.raises(EvaluationError, match="no dataset"):
        spec_for([replace(digits, dataset=None)], None, None, "test")


def test_weights_that_are_not_numbers_are_one_line(digits: Member) -> None:
    weights = {name: value * float("nan") for name, value in digits.weights.items()}
    with pytest.raises(EvaluationError, match="first: its scores are not finite"):
        evaluate([replace(digits, weights=weights)], DIGITS)
