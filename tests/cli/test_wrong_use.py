"""What is used wrongly is said in one line: what was wrong and what is allowed; and nothing is changed by it.

Two tables, of the command line and of Python. A new command or function gets its rows here: COMMANDS holds the
words, the exit code and a pattern of the message; PYTHON holds a call and a pattern.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.cli import main
from nas.errors import NasError
from nas.plan import make_plan
from nas.store import open_store
from searchspaces import SPACES, Architecture, OneOf, SearchSpaceError, Space, Stage, find_network, find_space
from searchspaces.ends import ConvStem, PoolHead
from searchspaces.resnet import Basic, cifar_resnet

ERROR, USAGE = 1, 2
LONGEST = 1200  # characters: a line that lists all that is allowed is still a line

# What the command line is given: the words, the exit code, and what the message must say.
COMMANDS: list[tuple[str, int, str]] = [
    # nas itself
    ("serch", USAGE, "No such command 'serch'.*Did you mean 'search'"),
    ("--nonsense", USAGE, "No such option"),
    ("search --nonsense", USAGE, "No such option"),
    ("search stray", USAGE, "unexpected extra argument"),
    ("latency", USAGE, "give a network, or --front STUDY"),
    ("latency resnet8 --batch 0", USAGE, "--batch"),
    ("latency resnet8 --threads 100000", ERROR, "latency: threads = 100000; at most 1024"),
    ("latency resnet8 --device cuda:77", ERROR, "device 'cuda:77' is not there"),
    ("latency resnet8 --precision int8", ERROR, "unknown precision 'int8'; choose one of"),
    ("latency resnet8 --image 3,1", USAGE, "--image"),
    ("search --constraint 'latency<=5'", ERROR, "a latency has a unit, s, ms or us, as in 'latency<=5ms'"),
    ("search --latency threads=2", ERROR, "options of latency go with the objective 'latency'"),
    ("search --objective latency --latency threads=none", ERROR, "threads = 'none'; a whole number"),
    ("search --objective latency --latency cores=1", ERROR, "unknown option of latency 'cores'"),
    # search: what is named
    ("search --space resnxt", ERROR, "unknown space 'resnxt'; did you mean 'resnext'"),
    ("search --space ''", ERROR, "unknown space ''"),
    ("search --space resnext+wdth=2", ERROR, "wdth"),
    ("search --space nothing:space", ERROR, "nothing"),
    ("search --space broken:space", ERROR, "broken.*ZeroDivisionError"),
    ("search --space json:dumps", ERROR, "json:dumps"),
    ("search --space json:absent", ERROR, "absent"),
    ("search --space :", ERROR, "':'"),
    ("search --controller tpee", ERROR, "unknown controller 'tpee'; did you mean 'tpe'"),
    ("search --controller pareto+startup", USAGE, "--controller.*pareto[+]startup=12; got 'startup'"),
    ("search --controller pareto+startups=3", ERROR, "startups.*did you mean 'startup'"),
    ("search --controller pareto+startup=few", ERROR, "startup = 'few'; a whole number, at least"),
    ("search --controller random+x=1", ERROR, "(takes no options|unknown option).*'x'"),
    ("search --controller evolution+population=0", ERROR, "population = 0; a whole number, at least"),
    ("search --controller tpe+startup=-1", ERROR, "startup = -1; a whole number, at least"),
    ("search --controller reinforce+lr=fast", ERROR, "lr"),
    ("search --scheduler ash", ERROR, "unknown scheduler 'ash'; did you mean 'asha'"),
    ("search --scheduler asha+first=0", ERROR, "first = 0; a whole number, at least 1"),
    ("search --scheduler asha+reduction=1", ERROR, "reduction = 1; a whole number, at least 2"),
    ("search --scheduler asha+frist=1", ERROR, "did you mean 'first'"),
    ("search --scheduler none+first=1", ERROR, "takes no options"),
    ("search --executor rey", ERROR, "unknown executor 'rey'; did you mean 'ray'"),
    ("search --baselines resnet9", ERROR, "unknown network 'resnet9'; did you mean"),
    ("search --baselines ''", ERROR, "unknown network ''"),
    # search: numbers
    ("search --budget 0", USAGE, "--budget.*greater than or equal to 1"),
    ("search --budget -3", USAGE, "--budget.*greater than or equal to 1"),
    ("search --budget many", USAGE, "--budget.*valid integer"),
    ("search --seed -1", USAGE, "--seed.*greater than or equal to 0"),
    ("search --seed 99999999999", ERROR, "seed.*from 0 to 4294967295, got 99999999999"),
    ("search --fraction 0", ERROR, "fraction must be above 0 and at most 1, got 0"),
    ("search --fraction nan", ERROR, "fraction must be above 0 and at most 1, got nan"),
    ("search --fraction half", USAGE, "--fraction.*valid number"),
    ("search --image-size 2", ERROR, "image_size must be a whole number from 4 to 1024, got 2"),
    ("search --image-size 0", USAGE, "--image-size.*greater than or equal to 1"),
    ("search --cpus-per-trial 0", USAGE, "--cpus-per-trial.*greater than or equal to 0[.]1"),
    ("search --gpus-per-trial -1", USAGE, "--gpus-per-trial.*greater than or equal to 0"),
    ("search --gpus-per-trial 1.5", ERROR, "gpus_per_trial must be from 0 to 1, or a whole number, got 1.5"),
    ("search --gpus-per-trial inf", ERROR, "gpus_per_trial must be from 0 to 1, or a whole number, got inf"),
    ("search --cpus-per-trial nan", USAGE, "--cpus-per-trial"),
    ("search --max-concurrent 0", USAGE, "--max-concurrent.*greater than or equal to 1"),
    ("search --executor inline --max-concurrent 2", USAGE, "inline takes no Ray options"),
    ("search --ray-address ray://head:10001", ERROR, "ray://head:10001.*run on a machine of the cluster"),
    # search: objectives, constraints, recipe
    ("search --objective acuracy", ERROR, "unknown objective 'acuracy'; did you mean 'accuracy'"),
    ("search --objective speed", ERROR, "unknown objective 'speed'; .*needs a direction"),
    ("search --objective latency:up", ERROR, "direction 'up'; choose 'min' or 'max'"),
    ("search --objective accuracy:min", ERROR, "accuracy is always maximised"),
    ("search --objective flops --objective flops", ERROR, "name at least one, each once"),
    ("search --objective 'two words:min'", ERROR, "a name is letters"),
    ("search --constraint 'flops<300'", ERROR, "write a quantity, <= or >="),
    ("search --constraint 'accuracy>=0.9'", ERROR, "'accuracy' is only known after training"),
    ("search --constraint 'flps<=1M'", ERROR, "did you mean 'flops'"),
    ("search --constraint 'flops<=1Q'", ERROR, "may end in k, M, G or B"),
    ("search --constraint 'flops<=1e999'", ERROR, "flops.*finite"),
    ("search --recipe epochs", USAGE, "--recipe.*NAME=VALUE"),
    ("search --recipe =3", USAGE, "--recipe.*NAME=VALUE"),
    ("search --recipe epoch=3", ERROR, "did you mean 'epochs'"),
    ("search --recipe epochs=0", ERROR, "epochs must be .*; got"),
    ("search --recipe epochs=2.5", ERROR, "epochs must be .*; got '2.5'"),
    ("search --recipe lr=fast", ERROR, "lr must be .*; got 'fast'"),
    ("search --recipe lr=nan", ERROR, "lr must be"),
    ("search --recipe optimizer=adan", ERROR, "optimizer must be .*'adan'"),
    # search: data and tables
    ("search --dataset digit", ERROR, "unknown dataset 'digit'; did you mean 'digits'"),
    ("search --dataset ''", ERROR, "dataset"),
    ("search --dataset folder:", ERROR, "folder:"),
    ("search --dataset folder:/nowhere", ERROR, "no folder /nowhere .*train/<class>/ or <class>/"),
    ("search --dataset folder:broken.json", ERROR, "is no folder; unpack it"),
    ("search --dataset folder:empty", ERROR, "has no class folders"),
    ("search --dataset folder:one", ERROR, "only the class 'cat'"),
    ("search --dataset folder:corrupt", ERROR, "corrupt/cat/a.png.*replace or remove it"),
    ("search --table nowhere.json", ERROR, "table .*nowhere.json: No such file"),
    ("search --table broken.json", ERROR, "table broken.json"),
    ("search --table table.txt", ERROR, "a table is a .json or .csv file"),
    ("search --table empty", ERROR, "a table is a .json or .csv file"),
    ("search --table table.json --dataset mnist", USAGE, "--table.*trains nothing"),
    ("search --table table.json --table-option code", USAGE, "--table-option.*NAME=VALUE"),
    ("search --table table.json --table-option code=magic", ERROR, "code 'magic'; choose 'graph', 'axes' or module"),
    ("search --table table.json --table-option image=3,x", ERROR, "image: 'x'; must be a whole number, at least 1"),
    ("search --table-option code=graph", USAGE, "--table-option.*only with --table"),
    # search: where it is kept
    ("search --storage /no/such/folder/nas.db", ERROR, "directory '/no/such/folder' does not exist"),
    ("search --storage ''", ERROR, "the database has no address"),
    ("search --storage empty", ERROR, "is a directory; name a file in it"),
    ("search --storage broken.json", ERROR, "broken.json"),
    ("search --storage nosql://host/x", ERROR, "nosql"),
    ("search --storage postgresql://u:secret@host:port/x", ERROR, "cannot read the database address"),
    ("search --name first", ERROR, "'first'.*(exists|taken|choose another|another name)"),
    ("search --name ''", ERROR, "name"),
    ("search --name a:3", ERROR, "'a:3' cannot be used; NAME:NUMBER is how a trial"),
    (f"search --name {'x' * 500}", ERROR, "name"),
    ("search --name 'a\nb'", ERROR, "name"),
    ("search --name '\x1b[31mred'", ERROR, "name"),
    # resume and baseline
    ("resume", USAGE, "Missing argument '(STUDY|study)'"),
    ("resume firts", ERROR, "firts.*did you mean 'first'"),
    ("resume first --storage nowhere.db", ERROR, "there is no database 'nowhere.db'"),
    ("resume first", ERROR, "evaluator .* is a function of yours; give it as evaluator="),
    ("resume plan --budget 1", ERROR, "budget 1 is below the study's 2"),
    ("resume plan --budget 0", USAGE, "--budget.*greater than or equal to 1"),
    ("resume plan --epoch-timeout 0", ERROR, "epoch_timeout must be a positive number of seconds, got 0"),
    ("resume plan --trial-timeout soon", USAGE, "--trial-timeout.*valid number"),
    ("resume plan --max-failures -1", USAGE, "--max-failures.*greater than or equal to 0"),
    ("resume plan --executor slurm", ERROR, "unknown executor 'slurm'; choose one of: inline, ray"),
    ("resume plan --executor inline --ray-address auto", USAGE, "--executor inline takes no Ray options"),
    ("resume plan --ray-address auto", ERROR, "executor 'inline'.*address"),
    ("resume plan --executor ray --ray-address ray://head", ERROR, "cannot search through 'ray://head'"),
    ("resume plan --executor ray --cpus-per-trial 0", USAGE, "--cpus-per-trial"),
    ("resume changed", ERROR, "the data has changed since the study"),
    ("resume lost", ERROR, "space 'gone' is not in the catalogue"),
    ("resume foreign", ERROR, "another version of nas"),
    ("baseline", USAGE, "Missing argument 'NETWORK"),
    ("baseline resnet21", ERROR, "unknown network 'resnet21'; did you mean"),
    ("baseline resnet8 --study firts", ERROR, "did you mean 'first'"),
    ("baseline resnet8 --executor inlin", ERROR, "unknown executor 'inlin'; did you mean 'inline'"),
    ("baseline resnet8 --recipe epochs=x", ERROR, "epochs must be"),
    ("baseline nothing:net", ERROR, "nothing"),
    # looking
    ("studies --storage nowhere.db", ERROR, "there is no database 'nowhere.db'"),
    ("studies --storage broken.json", ERROR, "broken.json"),
    ("studies stray", USAGE, "unexpected extra argument"),
    ("show", USAGE, "Missing argument"),
    ("show firts", ERROR, "did you mean 'first'"),
    ("show ''", ERROR, "study"),
    ("show first:99", ERROR, "it has 0 to 2"),
    ("show firts:0", ERROR, "did you mean 'first'"),
    ("show first:x", ERROR, "first:x"),
    ("show first:99999999999999999999", ERROR, "99999999999999999999"),
    ("show 'first:²'", ERROR, "first:²"),
    ("pareto", USAGE, "give a study, or --published"),
    ("pareto first --published", USAGE, "give a study, or --published"),
    ("pareto first --by flops", USAGE, "--by.*only with --published"),
    ("pareto --published --by flips", ERROR, "unknown cost 'flips'; did you mean 'flops'"),
    ("pareto --published --weights v9", ERROR, "v9"),
    ("pareto firts", ERROR, "did you mean 'first'"),
    ("report", USAGE, "Missing argument '(STUDY|study)'"),
    ("report firts", ERROR, "did you mean 'first'"),
    ("report first -o /no/such/folder/r.html", ERROR, "cannot write '/no/such/folder/r.html'"),
    ("report first -o empty", ERROR, "cannot write 'empty'"),
    ("dashboard --port 70000", USAGE, "--port.*(0<=x<=65535|less than or equal to 65535)"),
    ("dashboard --host 0.0.0.0", ERROR, "give a --token"),
    ("dashboard --host not.a.host.invalid --token t0ken", ERROR, "cannot listen on not.a.host.invalid"),
    # networks and spaces
    ("spaces resnets", ERROR, "unknown space 'resnets'; did you mean 'resnet'"),
    ("spaces resnet --image-size 0", USAGE, "--image-size.*greater than or equal to 1"),
    ("spaces resnet+x=1", ERROR, "x"),
    ("spaces nothing:space", ERROR, "nothing"),
    ("networks zzz", ERROR, "unknown network 'zzz'"),
    ("networks --family resnets", ERROR, "unknown family 'resnets'"),
    ("networks --max-params five", ERROR, "five"),
    ("networks --max-flops -1", ERROR, "-1"),
    ("networks --since 2020 --until 2010", ERROR, "the first year comes first"),
    ("networks --since soon", USAGE, "--since.*valid integer"),
    ("networks --proof none", ERROR, "unknown proof 'none'"),
    ("describe", USAGE, "Missing argument"),
    ("describe resnet5", ERROR, "did you mean .*'resnet50'"),
    ("describe nothing.json", ERROR, "nothing.json: No such file"),
    ("describe broken.json", ERROR, "broken.json: not a JSON document"),
    ("describe table.txt", ERROR, "table.txt: not a JSON document"),
    ("describe first:9", ERROR, "it has 0 to 2"),
    ("describe nothing:net", ERROR, "nothing"),
    ("describe vgg16 --image 3,x,1", USAGE, "--image.*as in 3,224,224"),
    ("describe vgg16 --image 3,0,1", USAGE, "--image.*from 1 to 65536"),
    ("describe vgg16 --classes 0", USAGE, "--classes"),
    ("describe vgg16 --draw net.png", USAGE, "--draw.*pictures are .svg files"),
    ("describe resnet8 --draw /no/such/folder/net.svg", ERROR, "/no/such/folder/net.svg: No such file"),
    # compare
    ("compare", USAGE, "Missing argument"),
    ("compare resnext", ERROR, "two"),
    ("compare resnext resnxt", ERROR, "unknown space 'resnxt'"),
    ("compare resnext resnet --samples 0", ERROR, "samples"),
    ("compare resnext resnet --constraint 'flops=10M±200%'", ERROR, "band"),
    ("compare resnext resnet --executor inline --epoch-timeout -1", ERROR, "epoch_timeout must be a positive number"),
    ("compare resnext resnet --max-failures -1", USAGE, "--max-failures.*greater than or equal to 0"),
    ("compare first plan --studies --trial-timeout 5 --max-failures 0", USAGE, "no --trial-timeout, --max-failures"),
    ("compare first firts --studies", ERROR, "did you mean 'first'"),
    ("compare first plan --studies --samples 3", USAGE, "samples"),
    ("compare resnext resnet --plot x.txt", ERROR, "x.txt"),
    # latency
    ("latency resnet5", ERROR, "did you mean .*'resnet50'"),
    ("latency resnet8 --threads 0", USAGE, "--threads"),
    ("latency resnet8 --device tpu", ERROR, "tpu"),
    ("latency resnet8 --image 3,x", USAGE, "--image"),
    ("latency resnet8 --seconds 0", USAGE, "--seconds"),
    ("latency --front firts", ERROR, "did you mean 'first'"),
    # retrain and evaluate
    ("retrain", USAGE, "Missing argument"),
    ("retrain firts", ERROR, "firts"),
    ("retrain first:99", ERROR, "it has 0 to 2"),
    ("retrain first --top 0", USAGE, "--top"),
    ("retrain resnet8 --seeds 0", USAGE, "--seeds"),
    ("retrain resnet8 --recipe epoch=3", ERROR, "did you mean 'epochs'"),
    ("retrain resnet8 --dataset digit", ERROR, "did you mean 'digits'"),
    ("evaluate", USAGE, "Missing argument"),
    ("evaluate nowhere.pt", ERROR, "nowhere.pt"),
    ("evaluate broken.json", ERROR, "broken.json"),
    ("evaluate resnet18 --weights nowhere.pth", ERROR, "nowhere.pth"),
    ("evaluate resnet8 --weights default", ERROR, "resnet8"),
    ("evaluate table.pth --views many", ERROR, "many"),
    ("evaluate table.pth --batch-size 0", USAGE, "--batch-size"),
    # reproduce
    ("reproduce baselines --dataset digits", ERROR, "no published figures of digits.*--family or --networks"),
    ("reproduce baselines --dataset digits --family resnets", ERROR, "unknown family 'resnets'; did you mean 'resnet"),
    ("reproduce baselines --dataset digits --networks ,", USAGE, "--networks.*resnet20,resnet56"),
    ("reproduce baselines --dataset digits --networks resnet20 --max-flops 1k", ERROR, "raise --max-flops"),
    ("reproduce baselines --dataset digits --published CIFAR", ERROR, "did you mean 'CIFAR-10'"),
    ("reproduce degradation --dataset digits --networks plain20", ERROR, "give two depths"),
    ("reproduce degradation --dataset digits --networks nin_cifar", ERROR, "nin_cifar has no depth"),
    ("reproduce degradation --dataset digits --validation 0", ERROR, "--validation above 0"),
    ("reproduce degradation --dataset digits --measured 0", USAGE, "--measured"),
    ("reproduce degradation --dataset digits --recipe epoch=3", ERROR, "did you mean 'epochs'"),
    ("reproduce degradation --dataset digits --plot x.txt", ERROR, "x.txt"),
    # export
    ("export", USAGE, "Missing argument"),
    ("export resnet5", ERROR, "did you mean .*'resnet50'"),
    ("export resnet8 --format tflite", ERROR, "tflite"),
    ("export resnet8 --image 3,x", USAGE, "--image"),
    ("export resnet8 --classes 0", USAGE, "--classes"),
    ("export resnet8 --no-card --format python -o nas.db", ERROR, "nas.db"),
    # db
    ("db frobnicate", USAGE, "No such command 'frobnicate'"),
    ("db check --storage nowhere.db", ERROR, "there is no database 'nowhere.db'"),
    ("db check --storage broken.json", ERROR, "broken.json"),
    ("db upgrade --storage nowhere.db", ERROR, "there is no database 'nowhere.db'"),
    ("db backup", USAGE, "Missing argument"),
    ("db backup nas.db", ERROR, "nas.db"),
    ("db backup /no/such/folder/copy.db", ERROR, "/no/such/folder"),
    # bench
    ("bench controllers", USAGE, "give --table FILE or --synthetic"),
    ("bench runners", USAGE, "No such command 'runners'"),
    ("bench controllers --table table.json --synthetic smooth", USAGE, "give --table FILE or --synthetic"),
    ("bench controllers --synthetic bumpy", ERROR, "unknown synthetic problem 'bumpy'"),
    ("bench controllers --synthetic smooth --controllers nobody", ERROR, "unknown controller 'nobody'"),
    ("bench controllers --synthetic smooth --controllers optuna-tpe+x=1", ERROR, "without options"),
    ("bench controllers --synthetic smooth --objectives three", USAGE, "choose one, two or both"),
    ("bench controllers --synthetic smooth --budgets 5,x", USAGE, "--budgets.*as in 50,100"),
    ("bench controllers --synthetic smooth --budgets 0", USAGE, "--budgets.*as in 50,100"),
    ("bench controllers --synthetic smooth --seeds 0", USAGE, "--seeds.*greater than or equal to 1"),
    ("bench controllers --synthetic smooth --jobs 0", USAGE, "--jobs.*greater than or equal to 1"),
    ("bench controllers --synthetic smooth --reference 200", USAGE, "--reference.*less than or equal to 100"),
    ("bench controllers --synthetic smooth --table-option a=b", USAGE, "only with --table"),
    ("bench controllers --synthetic smooth -o curves.txt", ERROR, "a plot is a file that ends in"),
    ("bench controllers --table nowhere.json", ERROR, "table .*nowhere.json: No such file"),
    ("bench controllers --synthetic smooth --space resnxt", ERROR, "unknown space 'resnxt'; known: resnext"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of a few studies, and files that are not what they should be."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "broken.json").write_text("{'no': json")
    (folder / "table.txt").write_text("key,acc\n")
    (folder / "table.json").write_text(json.dumps({"0" * 16: {"acc": 0.5}}))
    (folder / "table.pth").write_text("no weights")
    (folder / "broken.py").write_text("space = 1 / 0\n")
    for name in ("empty", "one/cat", "corrupt/cat", "corrupt/dog"):
        (folder / name).mkdir(parents=True)
    for name in ("one/cat/a.png", *(f"corrupt/{kind}/{index}.png" for kind in ("cat", "dog") for index in "abcd")):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with open_store(folder / "nas.db") as store:
        nas.search(evaluator=judge, name="first", storage=store, **SMALL)
        spec = make_plan("resnext", budget=2, baselines="none", controller="random").spec
        store.create_study("plan", spec.to_json())
        store.create_study("changed", replace(spec, data_key="of another day").to_json())
        store.create_study("lost", replace(spec, space="gone").to_json())
        store.create_study("foreign", {**spec.to_json(), "colour": "green"})
    return folder


def judge(architecture: Architecture) -> float:
    return 0.5


SMALL: dict[str, Any] = {"image": (1, 8, 8), "budget": 3, "baselines": "none", "controller": "random"}


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gets past every check fails here."""

    def fail(*_: object) -> None:
        raise AssertionError("a child was asked for")

    monkeypatch.setattr("nas.study.Loop.next", fail)


def fingerprint(place: Path) -> str:
    """All rows of the database, and the names of all files."""
    with closing(sqlite3.connect(f"file:{place / 'nas.db'}?mode=ro", uri=True)) as connection:
        rows = "\n".join(connection.iterdump())
    files = sorted(str(path) for path in place.rglob("*") if not {"__pycache__"} & set(path.parts))
    files = [file for file in files if not file.endswith(("-wal", "-shm"))]
    return hashlib.blake2b("\n".join((rows, *files)).encode()).hexdigest()


def run(words: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of the command line, in this process."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["nas", *words])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(("words", "code", "message"), COMMANDS, ids=[words[:60] for words, _, _ in COMMANDS])
def test_a_wrong_command_says_so_in_one_line_and_changes_nothing(
    words: str,
    code: int,
    message: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = fingerprint(place)
    assert run(shlex.split(words), place, monkeypatch) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "secret" not in err
    said = " ".join(re.sub(r"[│╭╮╰╯─]+", " ", err).split())
    assert re.search(message, said), said
    if code == ERROR:
        line = err.splitlines()[-1]
        # What a search or an export tells of itself may come first.
        assert len(err.splitlines()) == 1 or err.startswith(("space ", "note: ")), err
        assert line.startswith("nas: ")
        assert line.isprintable()
        assert len(line) < LONGEST
    assert fingerprint(place) == before


def test_there_are_a_hundred_of_each_kind_of_wrong_use_and_every_command_is_among_them() -> None:
    from nas.cli import app

    assert len(COMMANDS) + len(PYTHON) >= 200
    registered = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    registered |= {group.name or "" for group in app.registered_groups}
    assert registered <= {shlex.split(words)[0] for words, _, _ in COMMANDS}


@pytest.mark.parametrize("words", ["show firts", "describe broken.json", "search --space resnxt"])
def test_debug_shows_the_traceback(words: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["nas", "--debug", *shlex.split(words)])
    with pytest.raises((NasError, SearchSpaceError)) as caught:  # Python prints it with its traceback
        main()
    assert caught.traceback[-1].lineno


def space_of(block: Any = Basic(), depth: Any = 1, width: Any = 8) -> Space:  # noqa: B008
    return Space("own", Architecture(ConvStem(8, 3), (Stage(block, depth, width),), PoolHead()))


def asked(**options: Any) -> Callable[[], object]:
    """A search of a function, with options that are wrong."""
    return lambda: nas.search(**{"evaluator": judge, **SMALL, **options})


def planned(**options: Any) -> Callable[[], object]:
    return lambda: make_plan("resnext", **options)


def document(**changes: Any) -> Callable[[], object]:
    return lambda: Architecture.from_json({**cifar_resnet(8).to_json(), **changes})


# What Python is given: a call, and what the message must say.
PYTHON: list[tuple[str, Callable[[], object], str]] = [
    # search and its plan
    ("a space unknown", asked(space="resnxt"), "did you mean 'resnext'"),
    ("a space of another type", asked(space=3), "space.*3"),
    ("a space that is a network", asked(space=cifar_resnet(8)), "space"),
    ("a space of one word more", asked(space="resnext+a"), "has no option 'a'; its options"),
    ("a controller unknown", asked(controller="tpee"), "did you mean 'tpe'"),
    ("a controller of another type", asked(controller=None), "controller None"),
    ("a controller's option unknown", asked(controller="pareto", controller_options={"startups": 3}), "'startup'"),
    ("a controller's option a text", asked(controller="pareto", controller_options={"startup": "3"}), "whole number"),
    ("a controller's option true", asked(controller="pareto", controller_options={"startup": True}), "whole number"),
    ("controller options a list", asked(controller_options=["startup"]), "controller_options"),
    ("a scheduler unknown", asked(scheduler="ash"), "did you mean 'asha'"),
    ("a scheduler of another type", asked(scheduler=1), "scheduler 1"),
    ("a scheduler's option", asked(scheduler="asha", scheduler_options={"reduction": 1}), "at least 2"),
    ("a scheduler's option unknown", asked(scheduler="median", scheduler_options={"childs": 1}), "'children'"),
    ("an executor unknown", asked(executor="rey"), "did you mean 'ray'"),
    ("an executor's option unknown", asked(executor_options={"cpus": 2}), "executor 'inline'.*cpus"),
    ("an executor's option wrong", asked(executor="ray", executor_options={"max_concurrent": 0}), "at least 1, got 0"),
    (
        "an executor's option a text",
        asked(executor="ray", executor_options={"cpus_per_trial": "1"}),
        "cpus_per_trial must be positive, got '1'",
    ),
    ("a budget below zero", asked(budget=-1), "budget -1; allowed is a number"),
    ("a budget of a half", asked(budget=0.5), "budget 0.5"),
    ("a budget as text", asked(budget="3"), "budget '3'"),
    ("no budget", asked(budget=None), "budget None"),
    ("a seed below zero", asked(seed=-1), "seed"),
    ("a seed as text", asked(seed="0"), "seed"),
    ("no objectives", asked(objectives=()), "at least one"),
    ("an objective unknown", asked(objectives=("acuracy",)), "did you mean 'accuracy'"),
    ("an objective twice", asked(objectives=("flops", "flops")), "each once"),
    ("an objective of another type", asked(objectives=(3,)), "objective"),
    ("objectives as one text", asked(objectives="accuracy"), "objectives"),
    ("a constraint that is none", asked(constraints=("flops<1",)), "<= or >="),
    ("constraints as one text", asked(constraints="flops<=1M"), "constraints"),
    ("a constraint of another type", asked(constraints=(5,)), "constraint"),
    ("a baseline unknown", asked(baselines=["resnet9"]), "unknown network 'resnet9'"),
    ("baselines of another type", asked(baselines=7), "baselines"),
    ("a recipe's field unknown", asked(recipe={"epoch": "3"}), "did you mean 'epochs'"),
    ("a recipe of another type", asked(recipe=5), "recipe"),
    ("an image that is none", asked(image=(3, 0, 8)), "image"),
    ("an image of two numbers", asked(image=(8, 8)), "image"),
    ("classes that are none", asked(classes=0), "classes"),
    ("classes as text", asked(classes="ten"), "classes"),
    ("an evaluator that is none", asked(evaluator=3), "evaluator 3 is neither a function"),
    ("an evaluator by a wrong word", asked(evaluator="tables:x.json"), "write table:PATH"),
    ("a table that is not there", asked(evaluator="table:nowhere.csv"), "table .*nowhere.csv: No such file"),
    ("options of no evaluator", asked(evaluator_options={"code": "axes"}), "evaluator='table:PATH'"),
    ("a dataset unknown", planned(dataset="digit"), "did you mean 'digits'"),
    ("a dataset of another type", planned(dataset=5), "dataset.*5"),
    ("an option that is none", asked(budgt=3), "budgt.*did you mean 'budget'"),
    ("a name that is empty", asked(name=" "), "study name ' ' cannot be used"),
    ("a name of control characters", asked(name="a\x1b[2J"), "study name .* cannot be used"),
    ("a name too long", asked(name="x" * 1000), "study name .* cannot be used"),
    ("a name of another type", asked(name=5), "name 5; allowed is a text"),
    ("a storage of another type", asked(storage=5), "5"),
    ("a storage without a folder", asked(storage="/no/such/folder/nas.db"), "does not exist"),
    # what is kept
    ("a study that is not there", lambda: nas.open_study("firts", "nas.db"), "did you mean 'first'"),
    ("a study of another type", lambda: nas.open_study(None, "nas.db"), "None"),  # type: ignore[arg-type]
    ("a study nowhere", lambda: nas.open_study("first", "nowhere.db"), "there is no database 'nowhere.db'"),
    ("a study of no database", lambda: nas.open_study("first", "broken.json"), "broken.json"),
    ("a trial that is not there", lambda: nas.open_study("first", "nas.db").architecture(9), "it has 0 to 2"),
    (
        "a trial of another type",
        lambda: nas.open_study("first", "nas.db").architecture("x"),
        "no trial x; it has 0 to 2",
    ),  # type: ignore[arg-type]
    ("resumed without its function", lambda: nas.resume("first", "nas.db"), "give it as evaluator="),
    ("resumed with another", lambda: nas.resume("first", "nas.db", evaluator=len), "was evaluated by"),
    ("resumed with less", lambda: nas.resume("first", "nas.db", evaluator=judge, budget=1), "below the study's 3"),
    ("resumed with a text", lambda: nas.resume("plan", "nas.db", budget="9"), "budget '9'"),  # type: ignore[arg-type]
    ("resumed elsewhere", lambda: nas.resume("plan", "nas.db", executor="slurm"), "unknown executor 'slurm'"),
    (
        "resumed in no time",
        lambda: nas.resume("plan", "nas.db", executor_options={"epoch_timeout": 0}),
        "epoch_timeout",
    ),
    ("resumed with tries", lambda: nas.resume("plan", "nas.db", max_failures=True), "max_failures True"),
    ("resumed, of another version", lambda: nas.resume("foreign", "nas.db"), "another version of nas"),
    ("resumed, on other data", lambda: nas.resume("changed", "nas.db"), "the data has changed"),
    # data
    ("a data name", lambda: nas.DataSpec("digit"), "did you mean 'digits'"),
    ("a data name of another type", lambda: nas.DataSpec(3), "3"),  # type: ignore[arg-type]
    ("a data root", lambda: nas.DataSpec("digits", root=""), "data root"),
    ("an image size", lambda: nas.DataSpec("digits", image_size=8.0), "image_size .* got 8.0"),  # type: ignore[arg-type]
    ("an image size true", lambda: nas.DataSpec("digits", image_size=True), "image_size"),
    ("a fraction", lambda: nas.DataSpec("digits", fraction=float("nan")), "fraction"),
    ("a fraction as text", lambda: nas.DataSpec("digits", fraction="1"), "fraction .* got '1'"),  # type: ignore[arg-type]
    ("a validation share", lambda: nas.DataSpec("digits", validation=1.0), "validation"),
    ("a data seed", lambda: nas.DataSpec("digits", seed=2**32), "seed"),
    ("streamed digits", lambda: nas.DataSpec("digits", streamed=True), "only folder:PATH can be streamed"),
    ("a data document", lambda: nas.DataSpec.from_json({"nme": "digits"}), "did you mean 'name'"),
    ("an empty data document", lambda: nas.DataSpec.from_json({}), "needs the field 'name'"),
    ("a data document that is a list", lambda: nas.DataSpec.from_json([]), "needs the field 'name'"),  # type: ignore[arg-type]
    # recipes
    ("epochs of a recipe", lambda: nas.Recipe(epochs=0), "epochs must be"),
    ("epochs of a recipe as text", lambda: nas.Recipe(epochs="1"), "epochs must be"),  # type: ignore[arg-type]
    ("a rate that is none", lambda: nas.Recipe(lr=float("inf")), "lr must be"),
    ("an optimiser", lambda: nas.Recipe(optimizer="adan"), "optimizer must be"),
    ("a field of a recipe", lambda: nas.Recipe().with_options({"epoch": 1}), "did you mean 'epochs'"),
    ("a recipe's document", lambda: nas.Recipe.from_json({"epoch": 1}), "did you mean 'epochs'"),
    ("a recipe's document that is a list", lambda: nas.Recipe.from_json([1]), "unknown recipe field 1"),  # type: ignore[arg-type]
    ("a recipe of no data", lambda: nas.Recipe.for_data(0, 8), "at least 1"),
    # objectives and constraints
    ("an objective", lambda: nas.Objective.parse("acc"), "accuracy"),
    ("an objective's name", lambda: nas.Objective("", True), "a name is letters"),
    ("a direction", lambda: nas.Objective("flops", True), "flops is always minimised"),
    ("a constraint", lambda: nas.Constraint.parse(""), "<= or >="),
    ("a bound", lambda: nas.Constraint("flops", float("nan")), "finite"),
    ("a relation", lambda: nas.Constraint("flops", 1, "<"), "choose '<=', '>='"),
    # evaluators
    ("threads", lambda: nas.TrainingEvaluator(nas.DataSpec("digits"), threads=0), "threads must be at least 1"),
    ("a table's word", lambda: nas.TabularEvaluator.named("x", "resnext", {}), "write table:PATH"),
    # spaces and architectures
    ("a space by name", lambda: find_space("resnxt", 32), "resnext"),
    ("a network by name", lambda: find_network("resnet51"), "resnet50"),
    ("a space too small", lambda: find_space("resnet", 0), "image.*0"),
    ("a space's option", lambda: find_space("resnext+x=1", 32), "x"),
    ("a choice of nothing", lambda: OneOf("width", ()), "has no values to choose from"),
    ("labels too few", lambda: OneOf("width", (1, 2), labels=("a",)), "2 values but 1 labels"),
    ("a choice of a number", lambda: OneOf("width", 3), "width.*3"),  # type: ignore[arg-type]
    ("a choice without a name", lambda: space_of(width=OneOf("", (8, 16))), "name"),
    ("a choice named by a number", lambda: space_of(width=OneOf(3, (8, 16))), "name"),  # type: ignore[arg-type]
    ("tied choices that differ", lambda: space_of(Basic(OneOf("a", (3, 5))), OneOf("a", (1, 2, 3))), "'a'"),
    ("a value that no network has", lambda: space_of(width=OneOf("w", (8, 0))), "stages.0..width: 0"),
    ("a template that is none", lambda: Space("own", 5), "own.*5"),  # type: ignore[arg-type]
    ("a point out of range", lambda: SPACES["resnext"](32).point({"cardinality": 99}), "cardinality"),
    ("a point of no axis", lambda: SPACES["resnext"](32).point({"x": 0}), "has no axis 'x'"),
    ("a point of nothing", lambda: SPACES["resnext"](32).point({}), "no choice for axis"),
    ("a network that is not in it", lambda: SPACES["resnext"](32).encode(cifar_resnet(8)), "not in space 'resnext'"),
    ("a document that is a text", lambda: Architecture.from_json("resnet8"), "a JSON object, not str"),  # type: ignore[arg-type]
    ("a document of nothing", lambda: Architecture.from_json({}), "format None; this version reads"),
    ("a document of a stage", lambda: Architecture.from_json({"kind": "Stage"}), "format None; this version reads"),
    ("a field too many", document(colour=3), "has no field 'colour'"),
    ("stages that are none", document(stages=3), "stages"),
    ("a stem that is none", document(stem=None), "stem"),
    ("a head of a wrong kind", document(head={"kind": "Basic"}), "head"),
    ("an image too small", lambda: find_network("vgg16").architecture.draw((3, 4, 4), 10), "too small"),
    ("an image of no pixels", lambda: cifar_resnet(8).draw((3, 0, 8), 10), "image"),
    ("an image that is a number", lambda: cifar_resnet(8).draw(32, 10), "image"),  # type: ignore[arg-type]
    ("no classes", lambda: cifar_resnet(8).draw((3, 8, 8), 0), "classes"),
    # trained weights
    ("a network to load", lambda: nas.load_pretrained("resnet51"), "resnet50"),
    ("a network without a twin", lambda: nas.load_pretrained("resnet8"), "resnet8"),
    ("a file of weights", lambda: nas.load_pretrained("resnet18", "nowhere.pth"), "nowhere.pth"),
    ("no file of weights", lambda: nas.load_pretrained("resnet18", "table.pth"), "table.pth"),
    ("a release", lambda: nas.load_pretrained("resnet18", "IMAGENET9"), "IMAGENET9"),
    ("weights that do not fit", lambda: nas.load_pretrained("resnet18", {}), "resnet18"),
    ("no auxiliary", lambda: nas.load_pretrained("resnet18", auxiliary=True), "no auxiliary classifiers"),
]


@pytest.mark.parametrize(("call", "message"), [row[1:] for row in PYTHON], ids=[row[0] for row in PYTHON])
def test_a_wrong_call_says_so_in_one_line_and_changes_nothing(
    call: Callable[[], object], message: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    before = fingerprint(place)
    with pytest.raises((NasError, SearchSpaceError)) as caught:
        call()
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < LONGEST
    assert re.search(message, line), line
    assert fingerprint(place) == before
