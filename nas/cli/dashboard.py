"""`nas dashboard` and `nas report`: what is in the store, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli import app
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, note, print_json

Host = Annotated[str, typer.Option(help="The address to listen on; another than 127.0.0.1 needs --token.")]
Port = Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.", min=0, max=65535)]
Token = Annotated[
    str, typer.Option("--token", envvar="NAS_DASHBOARD_TOKEN", help="What a browser elsewhere must show, once.")
]


@app.command()
def dashboard(
    storage: Storage = DEFAULT_STORAGE, host: Host = "127.0.0.1", port: Port = 8080, token: Token = ""
) -> None:
    """Browse studies, fronts and trials in a web browser, also while they run. Reads only."""
    from dashboards.guard import Access
    from dashboards.server import serve

    commands = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]
    serve(storage, Access(host, token), port, tuple(commands))


@app.command()
def report(
    study: Annotated[str, typer.Argument(help="The study's name.", metavar="STUDY")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", metavar="FILE.html")] = Path(
        "report.html"
    ),
    storage: Storage = DEFAULT_STORAGE,
    as_json: JsonFlag = False,
) -> None:
    """Write a study's front as one HTML file that opens without a server."""
    from dashboards.report import write_report

    front = write_report(storage, study, output)
    if as_json:
        print_json({"study": study, "file": str(output), "front": front})
    else:
        note(f"written: {output}, a front of {front}")
