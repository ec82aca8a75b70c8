"""The confusion matrix in files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.errors import EvaluationError
from nas.evaluation.picture import write_confusion

NAMES = ("ant", "bee", "a_class_whose_name_is_long_beyond_reason")
CONFUSION = np.array([[1234, 5, 0], [6, 70, 7], [0, 0, 0]])


def test_a_table_has_true_classes_by_row(tmp_path: Path) -> None:
    path = tmp_path / "confusion.csv"
    write_confusion(CONFUSION, NAMES, path, "")
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["true class", *NAMES]
    assert [row[0] for row in rows[1:]] == list(NAMES)
    assert [list(map(int, row[1:])) for row in rows[1:]] == CONFUSION.tolist()


def test_a_picture_has_names_numbers_and_words(tmp_path: Path) -> None:
    path = tmp_path / "confusion.svg"
    write_confusion(CONFUSION, NAMES, path, "made up, top-1 98.6 %")
    text = path.read_text()
    for word in ("ant", "a_class_whose_name_is_l…", "1234", "predicted class", "true class", "made up, top-1 98.6 %"):
        assert f">{word}<" in text, word
    assert ">0<" in text  # of the scale of shades, not of an empty cell
    assert text.count(">0<") == 1


def test_a_hundred_classes_get_a_large_picture(tmp_path: Path) -> None:
    path = tmp_path / "confusion.png"
    write_confusion(np.eye(100, dtype=np.int64), [f"class {i}" for i in range(100)], path, "")
    with Image.open(path) as image:
        assert min(image.size) > 2000
        shades = np.asarray(image.convert("L"))[500:1500, 500:1500]
    assert shades.min() < 100  # the diagonal
    assert np.median(shades) > 240


@pytest.mark.parametrize(("name", "word"), [("c.gif", "ends in .png"), ("none/c.csv", "no folder")])
def test_a_file_that_cannot_be_is_one_line(tmp_path: Path, name: str, word: str) -> None:
    with pytest.raises(EvaluationError, match=word):
        write_confusion(CONFUSION, NAMES, tmp_path / name, "")
