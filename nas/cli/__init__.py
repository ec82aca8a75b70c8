"""The command line: `nas search`, `nas describe` and the others. Commands parse, call and print; no logic.

Data goes to stdout, progress and errors to stderr. Exit codes: 0; 1 for an error of one clear line; 2 for wrong
usage; 130 after Ctrl-C; 143 after SIGTERM.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nas import __version__

EXIT_ERROR, EXIT_INTERRUPTED, EXIT_TERMINATED = 1, 130, 143

_ORDER = (
    "search",
    "resume",
    "baseline",
    "retrain",
    "reproduce",
    "compare",
    "studies",
    "show",
    "pareto",
    "dashboard",
    "report",
    "evaluate",
    "export",
    "spaces",
    "networks",
    "describe",
    "latency",
    "bench",
    "db",
)


class _Group(TyperGroup):
    """Commands in the order of a day's work, and Ctrl-C as exit code 130."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of a day's work."""
        return sorted(self.commands, key=_ORDER.index)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None


app = typer.Typer(
    cls=_Group,
    name="nas",
    help="Neural architecture search for image classifiers.",
    epilog="First steps: nas search --space resnext --budget 20, then nas show NAME.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nas {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Neural architecture search for image classifiers."""
    # The flag of debugging is read again in `main`, where errors arrive.


def main() -> None:
    """Run the command line on `sys.argv`. Modules of the user's own are found here, in the current directory."""
    from nas.errors import NasError
    from searchspaces.catalog import troubles
    from searchspaces.errors import SearchSpaceError, one_line
    from searchspaces.plugins import FamilyWarning

    from . import (  # noqa: F401 - each adds its commands to `app`
        bench,
        compare,
        dashboard,
        db,
        evaluate,
        export,
        latency,
        look,
        networks,
        reproduce,
        resume,
        retrain,
        search,
    )

    with suppress(OSError):  # of a directory that is gone
        if not sys.flags.safe_path and os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # at the end: a file here must not stand in for an installed module
    warnings.simplefilter("ignore", FamilyWarning)  # said below, in one line
    try:
        app()
    except (NasError, SearchSpaceError) as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"nas: {one_line(str(error))}", err=True)
        sys.exit(EXIT_ERROR)
    except BrokenPipeError:  # the reader of a pipe, such as head, has gone
        sys.stderr.close()
        sys.exit(EXIT_ERROR)
    finally:
        if not sys.stderr.closed:
            for line in troubles():
                typer.echo(f"nas: {line}", err=True)
