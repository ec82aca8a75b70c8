"""Tables of results as evaluators: what is read, what is refused in one line, and searches that run and resume."""

from __future__ import annotations

import csv
import json
import os
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.errors import StudyError, TableError
from nas.plan import make_plan
from nas.recipe import Recipe
from nas.store import open_store
from nas.tables import read_csv, read_json
from nas.tabular import TabularEvaluator
from searchspaces import Architecture, OneOf, Space, nasbench_macro
from searchspaces.ends import PoolHead
from searchspaces.resnet import CIFAR_STEM, Basic, Bottleneck, resnet

IMAGE = (3, 8, 8)
KERNELS, DEPTHS = (3, 5), (1, 2, 3)


def small() -> Space:
    """Two blocks; the kernel exists for one of them only."""
    block = OneOf("block", (Bottleneck(kernel=OneOf("kernel", KERNELS)), Basic()))
    return Space("small", resnet(block, (OneOf("depth", DEPTHS), 1), (16, 32), CIFAR_STEM, PoolHead()))


def networks() -> dict[str, Architecture]:
    """All nine networks of the space, by the text that `code` gives."""
    space = small()
    choices: list[dict[str, int]] = [{"block": 0, "kernel": k, "depth": d} for k in range(2) for d in range(3)]
    choices += [{"block": 1, "depth": d} for d in range(3)]
    return {code(network): network for network in map(space.decode, choices)}


def code(architecture: Architecture) -> str:
    stage = architecture.stages[0]
    return f"{type(stage.block).__name__}{getattr(stage.block, 'kernel', '')}x{stage.depth}"


def write_json(path: Path, rows: Any) -> Path:
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return path


def table(tmp_path: Path) -> Path:
    rows = {key: {"acc": [40.0 + n, 42.0 + n], "ms": n / 2} for n, key in enumerate(networks())}
    return write_json(tmp_path / "table.json", rows)


PERCENT = {"val_accuracy": "acc/100", "latency": "ms*2"}


def value(evaluator: TabularEvaluator, network: Architecture) -> dict[str, float]:
    (epoch,) = evaluator.run(network, Recipe(), 0)
    return dict(epoch)


# --- reading ------------------------------------------------------------------------------------------------


def test_a_json_table_by_a_function(tmp_path: Path) -> None:
    evaluator = TabularEvaluator(table(tmp_path), code, PERCENT, IMAGE)
    assert len(evaluator) == 9
    for number, network in enumerate(networks().values()):
        assert value(evaluator, network) == {"epoch": 1, "val_accuracy": (41 + number) / 100, "latency": number}


def test_a_csv_table_by_the_graph_key(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["graph", "accuracy", "loss"])
        writer.writerows([n.draw(IMAGE, 10).key, 0.1 * i, 2 - i] for i, n in enumerate(networks().values()))
    evaluator = TabularEvaluator(path, image=IMAGE)
    found = [value(evaluator, network) for network in networks().values()]
    assert found == [{"epoch": 1, "val_accuracy": 0.1 * i, "loss": 2.0 - i} for i in range(9)]
    # The same network written otherwise has the same key: a stage of depth 0 is no stage.
    first = next(iter(networks().values()))
    longer = Architecture(first.stem, (*first.stages, type(first.stages[0])(Basic(), 0, 8)), first.head)
    assert value(evaluator, longer) == found[0]


def by_axes(tmp_path: Path, *more: str) -> Path:
    lines = ["depth,acc,block,kernel"]
    lines += [f"{d}.0,{d / 10 + k / 100},Bottleneck,{k}" for d in DEPTHS for k in KERNELS]
    lines += [f"{d},{d / 10},Basic," for d in DEPTHS]
    path = tmp_path / "axes.csv"
    path.write_text("\n".join([*lines, *more]) + "\n\n")
    return path


def test_a_csv_table_by_the_axes_of_a_space(tmp_path: Path) -> None:
    evaluator = TabularEvaluator(by_axes(tmp_path), "axes", {"accuracy": "acc"}, IMAGE, space=small())
    space = small()
    for depth, kernel in ((1, 3), (3, 5)):
        point = {"block": 0, "kernel": KERNELS.index(kernel), "depth": depth - 1}
        assert value(evaluator, space.decode(point))["val_accuracy"] == pytest.approx(depth / 10 + kernel / 100)
    assert value(evaluator, space.decode({"block": 1, "depth": 1}))["val_accuracy"] == 0.2


def test_columns_that_are_not_asked_for_may_hold_anything(tmp_path: Path) -> None:
    path = write_json(tmp_path / "t.json", {"a": {"acc": 0.5, "name": "x", "curve": [[1]]}})
    assert len(TabularEvaluator(path, metrics={"val_accuracy": "acc"})) == 1


def test_a_column_may_have_a_name_that_looks_like_a_division(tmp_path: Path) -> None:
    path = write_json(tmp_path / "t.json", {"a": {"acc/100": 0.5}})
    evaluator = TabularEvaluator(path, lambda _: "a", {"val_accuracy": "acc/100"})
    assert value(evaluator, next(iter(networks().values())))["val_accuracy"] == 0.5


def test_the_benchmark_of_a_space_says_how_its_table_is_read(tmp_path: Path) -> None:
    path = write_json(tmp_path / "t.json", {"02012100": {"mean_acc": 89.25, "test_acc": []}})
    evaluator = TabularEvaluator.of_space(path, "nasbench_macro")
    assert (evaluator.image, evaluator.classes) == ((3, 32, 32), 10)
    space = make_plan("nasbench_macro", evaluator=evaluator, controller="random").space
    network = space.decode({f"layer{i + 1}": int(digit) for i, digit in enumerate("02012100")})
    assert value(evaluator, network) == {"epoch": 1, "val_accuracy": 0.8925}
    other = space.decode({f"layer{i + 1}": 0 for i in range(8)})
    with pytest.raises(TableError, match=r"^table t\.json: has no network '00000000'$"):
        value(evaluator, other)
    with pytest.raises(TableError, match=r"^table t\.json: not in space 'nasbench_macro': "):
        value(evaluator, next(iter(networks().values())))
    assert evaluator.look_up(other) is None
    assert evaluator.look_up(next(iter(networks().values()))) is None


# --- what is refused ----------------------------------------------------------------------------------------

BAD: list[tuple[str, str, str]] = [
    ("t.json", "{", "cannot be read as JSON"),
    ("t.json", "[]", "must be a JSON object"),
    ("t.json", "{}", "at least one network"),
    ("t.json", '{"a": 0.5}', "'a' is 0.5; must be an object"),
    ("t.json", '{"a": {"acc": 0.5}, "a": {"acc": 0.6}}', "'a' is there twice"),
    ("t.json", '{"a": {"acc": NaN}}', "'acc' is nan, which is no finite number"),
    ("t.json", '{"a": {"acc": []}}', "'acc' is \\[\\]"),
    ("t.json", '{"a": {"acc": [0.5, null]}}', "'acc' is \\[0.5, None\\]"),
    ("t.json", '{"a": {"acc": true}}', "'acc' is True"),
    ("t.json", '{"a": {"acc": 0.5}, "b": {"loss": 0.5}}', "'b': no column 'acc'; it has: loss"),
    ("t.json", '{"a": {"acc": 89.2}}', "accuracy 89.2, which must be a fraction .*acc/100"),
    ("t.json", '{"a": {"acc": -0.1}}', "accuracy -0.1"),
    ("t.csv", "", "no header"),
    ("t.csv", "key,acc\n", "no rows"),
    ("t.csv", "key,acc,acc\na,1,1\n", "column 'acc' twice"),
    ("t.csv", "key,\na,1\n", "a column without a name"),
    ("t.csv", "key,acc\na,0.5\nb,0.5,0.6\n", "line 3: 3 cells, the header has 2"),
    ("t.csv", "key,acc\na,0.5\na,0.6\n", "line 3: 'a' is there twice"),
    ("t.csv", "key,acc\na,\n", "'acc' is '', which is no finite number"),
    ("t.csv", "key,acc\na,inf\n", "'acc' is 'inf'"),
    ("t.csv", 'key,acc\n"a,0.5\n', "cannot be read as CSV"),
    ("t.txt", "a 0.5", "a table is a .json or .csv file"),
]


@pytest.mark.parametrize(("name", "text", "problem"), BAD, ids=[problem for *_, problem in BAD])
def test_a_malformed_table_gets_one_line(name: str, text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TableError, match=problem) as caught:
        TabularEvaluator(tmp_path / name, metrics={"val_accuracy": "acc"})
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_what_is_wrong_with_a_file_or_an_option(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no\.json: No such file"):
        TabularEvaluator(tmp_path / "no.json")
    (tmp_path / "bytes.csv").write_bytes(b"key,acc\n\xff,1\n")
    with pytest.raises(TableError, match="no text in UTF-8"):
        TabularEvaluator(tmp_path / "bytes.csv")
    path = table(tmp_path)
    for code_, problem in (("grap", "choose 'graph', 'axes' or module:function"), ("json:nothing", "no attribute")):
        with pytest.raises(TableError, match=problem):
            TabularEvaluator(path, code_)
    with pytest.raises(TableError, match="the number must be above 0"):
        TabularEvaluator(path, metrics={"val_accuracy": "acc/0"})
    with pytest.raises(TableError, match=r"needs a \.csv file"):
        TabularEvaluator(path, "axes", space=small())
    with pytest.raises(TableError, match=r"line 11: axis 'kernel' has no choice '7'; it has: 3, 5"):
        TabularEvaluator(by_axes(tmp_path, "1,0.5,Bottleneck,7"), "axes", {"accuracy": "acc"}, IMAGE, space=small())
    with pytest.raises(TableError, match=r"'block=Basic, depth=1' is there twice"):
        TabularEvaluator(by_axes(tmp_path, "1,0.5,Basic,"), "axes", {"accuracy": "acc"}, IMAGE, space=small())
    (tmp_path / "few.csv").write_text("depth,acc\n1,0.5\n")
    with pytest.raises(TableError, match="no column for axis 'block'"):
        TabularEvaluator(tmp_path / "few.csv", "axes", {"accuracy": "acc"}, IMAGE, space=small())


def test_a_function_that_breaks_fails_its_child_only(tmp_path: Path) -> None:
    def broken(architecture: Architecture) -> str:
        if architecture.stages[0].depth == 2:
            raise ValueError("on purpose")
        return code(architecture)

    evaluator = TabularEvaluator(table(tmp_path), broken, PERCENT, IMAGE)
    study = nas.search(small(), evaluator=evaluator, budget=9, controller="random", baselines="none")
    assert sorted(trial.state for trial in study.trials) == ["complete"] * 6 + ["failed"] * 3
    assert {trial.reason for trial in study.trials if trial.state == "failed"} == {
        "ValueError: on purpose (test_tabular.py:" + str(broken.__code__.co_firstlineno + 2) + ")"
    }


# --- the key ------------------------------------------------------------------------------------------------


def test_the_key_is_of_the_content_and_of_how_it_is_read(tmp_path: Path) -> None:
    path = table(tmp_path)
    first = TabularEvaluator(path, code, PERCENT, IMAGE)
    (tmp_path / "copy").mkdir()
    copy = write_json(tmp_path / "copy" / "other.json", path.read_text())
    assert TabularEvaluator(copy, code, PERCENT, IMAGE).key == first.key
    others = [
        TabularEvaluator(path, "graph", PERCENT, IMAGE),
        TabularEvaluator(path, code, {"val_accuracy": "acc/200"}, IMAGE),
        TabularEvaluator(write_json(copy, path.read_text().replace("42.0", "43.0")), code, PERCENT, IMAGE),
    ]
    assert len({first.key, *(other.key for other in others)}) == 4


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write_json(tmp_path / "t.json", {"a": {"acc": 0.25}})
    evaluator = TabularEvaluator(path, lambda _: "a", {"val_accuracy": "acc"})
    network = next(iter(networks().values()))
    assert value(evaluator, network)["val_accuracy"] == 0.25
    write_json(path, {"a": {"acc": 0.75}})
    os.utime(path, ns=(1, 1))
    assert value(evaluator, network)["val_accuracy"] == 0.75


# --- searches -----------------------------------------------------------------------------------------------


def listing(tmp_path: Path) -> Path:
    """A table as the benchmark of `nasbench_macro` has it, with made-up accuracies; a third of the networks lacks."""
    codes = ["".join(digits) for digits in product("012", repeat=8)]
    rows = {key: {"mean_acc": 50 + n / 200, "test_acc": [1]} for n, key in enumerate(codes) if sum(map(int, key)) % 3}
    return write_json(tmp_path / "macro.json", rows)


@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.faults(only_long=True))])
def test_a_search_by_name_goes_on_where_it_stopped(executor: str, tmp_path: Path) -> None:
    path, where = listing(tmp_path), tmp_path / "nas.db"
    options = {"controller": "random", "executor": executor, "seed": 3}
    study = nas.search("nasbench_macro", evaluator=f"table:{path}", budget=20, storage=where, **options)
    assert study.name == "nasbench_macro-macro-1"
    found = [trial for trial in study.trials if trial.state == "complete"]
    assert found
    rows = json.loads(path.read_text())
    for trial in found:
        key = nasbench_macro.code(study.architecture(trial.number))
        assert trial.val_accuracy == rows[key]["mean_acc"] / 100
    failed = [trial.reason for trial in study.trials if trial.state == "failed"]
    assert failed
    assert all("has no network" in str(reason) for reason in failed)
    more = nas.resume(study.name, where, budget=24)
    assert sum(trial.kind == "child" for trial in more.trials) == 24
    if executor == "inline":
        whole = nas.search("nasbench_macro", evaluator=f"table:{path}", budget=24, **options)
        assert [t.architecture_key for t in whole.trials] == [t.architecture_key for t in more.trials]
    write_json(path, {"00000000": {"mean_acc": 50}})
    with pytest.raises(StudyError, match=r"the table .*macro\.json has changed since the study; start another"):
        nas.resume(study.name, where, budget=30)


def test_an_evaluator_object_with_a_space_of_ones_own(tmp_path: Path) -> None:
    evaluator = TabularEvaluator(by_axes(tmp_path), "axes", {"val_accuracy": "acc"}, IMAGE)  # the search has the space
    where = tmp_path / "nas.db"
    study = nas.search(small(), evaluator=evaluator, budget=4, storage=where, controller="random")
    assert [trial.state for trial in study.trials] == ["complete"] * 4
    with pytest.raises(StudyError, match="space 'small' is not in the catalogue"):
        nas.resume(study.name, where, budget=9)
    assert len(nas.resume(study.name, where, space=small(), budget=9).front) >= 1


def test_a_code_without_an_importable_name_must_be_given_again(tmp_path: Path) -> None:
    evaluator = TabularEvaluator(table(tmp_path), lambda network: code(network), PERCENT, IMAGE)
    study = nas.search(small(), evaluator=evaluator, budget=2, storage=tmp_path / "a.db", controller="random")
    with pytest.raises(StudyError, match="is a function of yours; give it as evaluator="):
        nas.resume(study.name, tmp_path / "a.db", space=small(), budget=3)
    assert len(nas.resume(study.name, tmp_path / "a.db", space=small(), evaluator=evaluator, budget=3).trials) == 3


def test_a_lookup_is_answered_from_the_store_only_for_the_same_table(tmp_path: Path) -> None:
    with open_store(tmp_path / "nas.db") as store:
        for seen in (0, 9):
            evaluator = TabularEvaluator(table(tmp_path), code, PERCENT, IMAGE)
            study = nas.search(small(), evaluator=evaluator, budget=9, storage=store, controller="random")
            assert sum(trial.reused_from is not None for trial in study.trials) == seen
        changed = TabularEvaluator(table(tmp_path), code, {"val_accuracy": "acc/200"}, IMAGE)
        study = nas.search(small(), evaluator=changed, budget=9, storage=store, controller="random")
        assert not any(trial.reused_from for trial in study.trials)


def test_baselines_are_the_networks_that_the_table_has(tmp_path: Path) -> None:
    made = networks()
    space = Space("small", small().template, {"listed": made["Basic3x2"], "missing": made["Basic3x3"]})
    rows = {key: {"val_accuracy": 0.5} for key in made if key != "Basic3x3"}
    evaluator = TabularEvaluator(write_json(tmp_path / "t.json", rows), code, image=IMAGE)
    assert make_plan(space, evaluator=evaluator).spec.baselines == ("listed",)


@pytest.mark.parametrize(
    ("evaluator", "options", "problem"),
    [
        ("tables:x.json", {}, "evaluator 'tables:x.json'; write table:PATH"),
        ("table:", {}, "write table:PATH"),
        ("table:{path}", {"image": "3,32"}, "write channels, height, width"),
        ("table:{path}", {"image": "3,a,32"}, "image: 'a'; must be a whole number"),
        ("table:{path}", {"classes": "0"}, "classes: '0'; must be a whole number"),
        ("table:{path}", {"code": "nowhere:code"}, "No module named 'nowhere'"),
        ("table:{path}", {"val_accuracy": "accuracy"}, "no column 'accuracy'; it has: acc, ms"),
    ],
)
def test_a_bad_name_or_option_gets_one_line(
    evaluator: str, options: dict[str, str], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=problem):
        make_plan("resnext", evaluator=evaluator.format(path=table(tmp_path)), evaluator_options=options)


def test_options_need_a_named_evaluator(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="evaluator_options go with"):
        make_plan("resnext", evaluator=lambda _: 0.5, evaluator_options={"code": "graph"})


def test_the_readers_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('\ufeffkey, acc \r\n"a, b", 1e-1\r\n', encoding="utf-8")
    assert read_csv(tmp_path / "t.csv") == {"a, b": {"acc": "1e-1"}}
    assert read_json(write_json(tmp_path / "t.json", {"a": {"acc": 1}})) == {"a": {"acc": 1}}
