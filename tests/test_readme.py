"""The README: its Python runs, and its commands exist with the options that it names."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
HELP = [sys.executable, "-c", "from nas.cli import main; main()"]


def blocks(language: str) -> list[str]:
    return [text for named, text in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S) if named == language]


GROUPS = ("bench", "db", "reproduce")  # commands of commands

# Without this the tests below would be skipped for want of parameters.
assert len(blocks("")) >= 3

COMMANDS = sorted(
    {line.split("#")[0].strip() for line in "\n".join(blocks("")).splitlines() if line.startswith("nas ")}
)


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python")
    assert 'budget=20, storage="nas.db"' in code
    monkeypatch.chdir(tmp_path)
    quick = code.replace(
        'budget=20, storage="nas.db"', 'budget=1, storage="nas.db", recipe={"epochs": "1"}, baselines="none"'
    )
    names: dict[str, object] = {}
    exec(compile(quick, "README.md", "exec"), names)
    assert len(names["study"].front) >= 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_of_the_readme_exist(line: str) -> None:
    for command in line.split(" ; "):
        _, name, *rest = shlex.split(command)
        inner = rest[:1] if name in GROUPS else []
        done = subprocess.run([*HELP, name, *inner, "--help"], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0
        for option in (word for word in rest if word.startswith("--")):
            assert option in done.stdout
