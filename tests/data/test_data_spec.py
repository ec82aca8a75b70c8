from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nas.data import DataSpec
from nas.errors import DataError


def test_a_spec_survives_json() -> None:
    spec = DataSpec("folder:/somewhere", root="/data", image_size=32, fraction=0.5, validation=0.2, seed=3)
    assert DataSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_fields_left_out_have_their_defaults() -> None:
    assert DataSpec.from_json({"name": "digits"}) == DataSpec("digits")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"name": "digits", "fractoin": 0.5}, "unknown field of a data spec 'fractoin'; did you mean 'fraction'?"),
        ({"seed": 1}, "needs the field 'name'"),
        ({"name": 3}, "must be text, got 3"),
        ({"name": "digits", "fraction": "0.5"}, "fraction must be above 0 and at most 1, got '0.5'"),
    ],
)
def test_a_wrong_document_is_refused(document: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        DataSpec.from_json(document)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("fraction", value) for value in (0, -0.1, 1.1, float("nan"), True, None)],
        *[("validation", value) for value in (-0.1, 1, 1.5, float("nan"), "some")],
        *[("image_size", value) for value in (0, 3, 1025, 32.0, True)],
        *[("seed", value) for value in (-1, 2**32, 0.5, None)],
        *[("root", value) for value in ("", 3)],
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: object) -> None:
    with pytest.raises(DataError, match=rf"{field}.*{re.escape(repr(value))}"):
        DataSpec.from_json({"name": "digits", field: value})


def test_whole_and_real_shares_are_one_spec() -> None:
    assert repr(DataSpec("digits", fraction=1, validation=0)) == repr(DataSpec("digits", fraction=1.0, validation=0.0))


def test_a_near_miss_suggests_the_name() -> None:
    with pytest.raises(DataError, match="unknown dataset 'cifar-10'; did you mean 'cifar10'"):
        DataSpec("cifar-10")


def test_a_name_far_from_all_lists_them() -> None:
    with pytest.raises(DataError, match=r"choose one of: cifar10, .*, digits, .*folder:PATH"):
        DataSpec("zzz")


def test_a_folder_without_its_prefix_suggests_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"did you mean 'folder:{tmp_path}'?")):
        DataSpec(str(tmp_path))


def test_folder_needs_a_path() -> None:
    with pytest.raises(DataError, match="write folder:PATH"):
        DataSpec("folder:")


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert DataSpec("folder:pets/../cars").name == f"folder:{tmp_path}/cars"
    assert DataSpec("folder:~/pets", root="~/data") == DataSpec("folder:/home/someone/pets", root="/home/someone/data")


def test_the_root_is_the_specs_then_the_environments_then_the_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("NAS_DATA", "~/there")
    assert DataSpec("digits", root="/here").directory() == Path("/here")
    assert DataSpec("digits").directory() == Path("/home/someone/there")
    monkeypatch.delenv("NAS_DATA")
    assert DataSpec("digits").directory() == Path("/home/someone/.cache/nas")
