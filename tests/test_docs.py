"""The pages on extending nas: their files, commands and printed lines are run as a reader would run them.

Of each page the blocks of code are taken in order, in a fresh directory: Python that begins with `# name.py` is that
file, a block without a language holds commands, `text` is what the command before it prints, `toml` a pyproject.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("extend-block", "extend-network", "extend-space")
NAS = str(Path(sys.executable).with_name("nas"))  # the command as installed: `python -m` would find modules by itself


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def file(self) -> str | None:
        found = re.match(r"# (\w+\.py)\n", self.text)
        return found[1] if self.language == "python" and found else None


def blocks(page: str) -> list[Block]:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    return [Block(language, body) for language, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)]


def run(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line of a page, with `nas` and `python` of this environment."""
    program, *arguments = shlex.split(line)
    programs = {"nas": NAS, "python": sys.executable}
    env = {**os.environ, "COLUMNS": "200", **environment}
    env.pop("NAS_STORAGE", None)
    return subprocess.run(
        [programs[program], *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False
    )


def words(text: str) -> list[str]:
    """The lines of a text, each as words with single blanks, without empty ones."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def install(folder: Path, pyproject: str) -> None:
    """What pip leaves of this package: the metadata with its entry points, beside its modules."""
    project = tomllib.loads(pyproject)["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [line for group, names in groups for line in (f"[{group}]", *(f"{k} = {v}" for k, v in names.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    here, environment = tmp_path / "here", {}
    here.mkdir()
    said, ran = "", 0
    for block in blocks(page):
        if block.file is not None:
            (here / block.file).write_text(block.text)
        elif block.language == "toml":
            site = tmp_path / "site"
            site.mkdir()
            for module in here.glob("*.py"):
                module.rename(site / module.name)
            install(site, block.text)
            environment["PYTHONPATH"] = str(site)
        elif block.language == "text":
            for line in words(block.text):
                assert any(line in printed for printed in words(said)), (line, said)
        else:
            assert block.language == "", block
            outputs = [run(line, here, **environment) for line in block.text.splitlines()]
            for line, done in zip(block.text.splitlines(), outputs, strict=True):
                assert done.returncode == 0, (line, done.stderr)
                assert "Traceback" not in done.stderr
            said, ran = "".join(done.stdout for done in outputs), ran + len(outputs)
    assert ran >= 2


def test_the_pages_link_to_what_exists() -> None:
    for page in PAGES:
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([\w./-]+)(?:#([\w-]+))?\)", text):
            linked = (DOCS / target).read_text(encoding="utf-8")
            headings = {
                re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", linked, re.M)
            }
            assert not anchor or anchor in headings


# --- families of other packages -------------------------------------------------------------------------------------

FAMILY = """
from dataclasses import dataclass

from searchspaces import Architecture, Block, Network, OneOf, Space, Stage
from searchspaces.ends import ConvStem, PoolHead


@dataclass(frozen=True)
class Plugged(Block):
    wide: bool = False

    def draw(self, g, x, width, stride):
        return g.unit(x, width, 5 if self.wide else 3, stride)


def network(block, width):
    return Architecture(ConvStem(8, kernel=3, stride=1, pool=False), (Stage(block, 1, width),), PoolHead())


NETWORKS = [Network("plugged", network(Plugged(), 8), "Somebody 2026, Plugs", image=(3, 32, 32), classes=10)]
SPACES = {"plugs": lambda image: Space("plugs", network(Plugged(OneOf("wide", (False, True))), OneOf("w", (8, 16))))}
"""


def site(folder: Path, module: str, source: str, value: str | None = None) -> str:
    """A folder with one package that has one entry point; the folder's name, for the path of a process."""
    folder.mkdir()
    (folder / f"{module}.py").write_text(source)
    install(
        folder,
        f'[project]\nname = "{module}-package"\nversion = "1.2"\n[project.entry-points."nas.families"]\n'
        f'{module} = "{value or module}"',
    )
    return str(folder)


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> str:
    return site(tmp_path_factory.mktemp("plugged") / "site", "plugged_family", FAMILY)


@pytest.fixture(scope="module")
def searched(plugged: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of the family's space, trained by Ray's workers."""
    folder = tmp_path_factory.mktemp("searched")
    line = "nas search --space plugs --budget 2 --recipe epochs=1 --fraction 0.1 --baselines plugged --name one --quiet"
    done = run(line, folder, PYTHONPATH=plugged)
    assert done.returncode == 0, done.stderr
    return folder


def test_an_installed_family_is_listed_searched_and_read_again(plugged: str, searched: Path, tmp_path: Path) -> None:
    assert "plugged" in run("nas networks plugged", tmp_path, PYTHONPATH=plugged).stdout
    assert "plugs" in run("nas spaces", tmp_path, PYTHONPATH=plugged).stdout
    shown = run("nas show one", searched, PYTHONPATH=plugged).stdout
    assert shown.count("complete") >= 3  # a child that is the baseline is answered by it
    document = run("nas describe one:0 --json", searched, PYTHONPATH=plugged)
    assert "Plugged" in document.stdout
    (tmp_path / "one.json").write_text(document.stdout)
    assert run("nas describe one.json --image 3,8,8", tmp_path, PYTHONPATH=plugged).returncode == 0


def test_without_its_package_a_study_is_still_shown(searched: Path) -> None:
    shown = run("nas show one", searched)
    assert shown.returncode == 0, shown.stderr
    assert "cannot be read here: unknown kind 'Plugged'" in shown.stdout
    for command in ("nas describe one:0", "nas resume one --budget 3"):
        done = run(command, searched)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr


BROKEN: dict[str, tuple[str, str | None, str]] = {
    # what is wrong: (the module's source, what the entry point names if not the module, what the line says)
    "a module that raises": ("raise RuntimeError('oh\\nno')", None, "RuntimeError: oh no"),
    "a module that exits": ("import sys; sys.exit(3)", None, "SystemExit: 3"),
    "a syntax error": ("def", None, "SyntaxError"),
    "no such module": ("", "nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    "no such attribute": ("", "{module}:families", "AttributeError"),
    "nothing in it": ("X = 1", None, "it has neither NETWORKS nor SPACES"),
    "no networks": ("NETWORKS = ['resnet50']", None, "NETWORKS holds a str; expected a Network"),
    "no spaces": ("SPACES = ['tiny']", None, "SPACES is no mapping of names"),
    "a name that is taken": (
        FAMILY.replace("Plugged", "Taken").replace('"plugged"', '"resnet50"'),
        None,
        "entry point 'broken': the name 'resnet50' is taken already",
    ),
    "a class that is taken": (FAMILY.replace("Plugged", "Basic"), None, "already has a kind of this name"),
    "a network that cannot be drawn": (
        FAMILY.replace("network(Plugged(), 8)", "network(Plugged(), 0)").replace("Plugged", "Undrawn"),
        None,
        "network 'plugged': stages[0].width: 0, allowed is a number from 1 to 65536",
    ),
}


@pytest.mark.parametrize(("source", "value", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_family_is_named_in_one_line_and_breaks_nothing_else(
    source: str, value: str | None, message: str, plugged: str, tmp_path: Path
) -> None:
    path = site(tmp_path / "site", "broken", source, value and value.replace("{module}", "broken"))
    both = os.pathsep.join((path, plugged))
    for command in ("nas networks resnet50", "nas spaces"):
        done = run(command, tmp_path, PYTHONPATH=both)
        assert done.returncode == 0, done.stderr
        assert "resnet" in done.stdout
        (line,) = done.stderr.splitlines()
        assert line.startswith("nas: entry point 'broken' of nas.families (broken-package 1.2) is left out: ")
        assert message in line
    assert "plugs" in done.stdout  # the other family is there
    missed = run("nas describe no_such_network", tmp_path, PYTHONPATH=both)
    assert missed.returncode == 1
    assert [line.partition("'")[0] for line in missed.stderr.splitlines()] == [
        "nas: unknown network ",
        "nas: entry point ",
    ]


def test_commands_that_ask_for_nothing_of_a_family_do_not_import_it(tmp_path: Path) -> None:
    path = site(tmp_path / "site", "broken", "raise RuntimeError('imported')")
    for command in (
        "nas --help",
        "nas --version",
        "nas describe resnet20",
        "nas spaces resnet",
        "nas search --dry-run",
    ):
        done = run(command, tmp_path, PYTHONPATH=path)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    script = "import nas, searchspaces; print(searchspaces.NETWORKS['resnet20'].name)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("resnet20\n", "")


def test_python_warns_of_a_broken_family(tmp_path: Path) -> None:
    path = site(tmp_path / "site", "broken", "raise RuntimeError('imported')")
    script = (
        "import warnings\nfrom searchspaces import NETWORKS\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    print('resnet20' in list(NETWORKS), len(NETWORKS) > 10)\n"
        "print([warning.category.__name__ for warning in caught], caught[0].message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == "True True"
    assert second.startswith("['FamilyWarning'] entry point 'broken' of nas.families")


def test_two_families_do_not_share_a_name(plugged: str, tmp_path: Path) -> None:
    twin = site(tmp_path / "site", "zzz", FAMILY.replace("Plugged", "Another"))
    done = run("nas spaces", tmp_path, PYTHONPATH=os.pathsep.join((plugged, twin)))
    (line,) = done.stderr.splitlines()
    assert "entry point 'zzz'" in line
    assert "the name 'plugged' is taken already" in line
    assert "plugs" in done.stdout


# --- modules of one's own -------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, str, str]] = {
    # what is wrong: (the source of mine.py, the name asked for, what the line says)
    "no such module": ("", "ours:tiny", "ours:tiny: No module named 'ours'"),
    "no such attribute": ("", "mine:tiny", "mine:tiny: module 'mine' has no 'tiny'"),
    "a bug": ("x = 1 / 0", "mine:tiny", "importing 'mine' fails: ZeroDivisionError: division by zero (mine.py:1)"),
    "a syntax error": ("def", "mine:tiny", "mine:tiny: importing 'mine' fails: SyntaxError: "),
    "a module that it misses": ("import nowhere_at_all", "mine:tiny", "No module named 'nowhere_at_all' (mine.py:1)"),
    "an exit": ("raise SystemExit", "mine:tiny", "importing 'mine' fails: SystemExit"),
    "no module": ("", ":tiny", "space ':tiny'; give module:attribute, as in my_spaces:tiny"),
    "a number": ("tiny = 3", "mine:tiny", "mine:tiny: a int; expected a Space, or a function from pixels to one"),
    "a function of nothing": ("def tiny(): pass", "mine:tiny", "mine:tiny(8): TypeError: "),
    "a function that gives none": ("def tiny(image): pass", "mine:tiny", "mine:tiny: gives a NoneType, not a Space"),
    "a function with a bug": ("def tiny(image):\n    return [][1]", "mine:tiny", "IndexError: list index out of range"),
    "an option that it has not": ("def tiny(image): pass", "mine:tiny+wide", "has no option 'wide'; it has none"),
    "a template that is none": (
        "from searchspaces import Space\ntiny = Space('x', 3)",
        "mine:tiny",
        "space 'x': 3 is no template; give an Architecture",
    ),
    "a bad value": (
        "from searchspaces import OneOf, Space\nfrom searchspaces.resnet import Basic, resnet\n"
        "tiny = Space('x', resnet(Basic(kernel=OneOf('k', (3, 4))), (1,), (8,)))",
        "mine:tiny",
        "space 'x': stages[0].block.kernel: 4, allowed is an odd number from 1 to 31",
    ),
}  # fmt: skip


@pytest.fixture
def fresh() -> Iterator[None]:
    yield
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(("source", "name", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_module_is_said_in_one_line(
    source: str, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    from searchspaces import SearchSpaceError, find_space

    (tmp_path / "mine.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SearchSpaceError) as caught:
        find_space(name, 8)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_command_line_says_it_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("x = 1 / 0")
    for command in (
        "nas search --space mine:tiny",
        "nas spaces mine:tiny",
        "nas describe mine:net",
        "nas baseline mine:net",
    ):
        done = run(command, tmp_path)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert "ZeroDivisionError: division by zero (mine.py:1)" in line
        assert not (tmp_path / "nas.db").exists()


def test_a_file_here_does_not_stand_in_for_an_installed_module(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise RuntimeError('the wrong random')")
    (tmp_path / "torch.py").write_text("raise RuntimeError('the wrong torch')")
    assert run("nas search --dry-run", tmp_path).returncode == 0


def test_a_space_that_is_an_object_is_found_again_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    from searchspaces import find_space

    source = "from searchspaces import OneOf, Space\nfrom searchspaces.resnet import Basic, resnet\n"
    source += "tiny = Space('x', resnet(Basic(kernel=OneOf('k', (3, 5))), (1,), (8,)))\n"
    (tmp_path / "mine.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    space = find_space("mine:tiny", 8)
    assert space.name == "mine:tiny"
    assert sys.modules["mine"].tiny.name == "x"
