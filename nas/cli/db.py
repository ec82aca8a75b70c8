"""`nas db`: the upkeep of a database of studies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli import EXIT_ERROR, app
from nas.cli.output import DEFAULT_STORAGE, JsonFlag, Storage, console, print_json

db = typer.Typer(help="Upgrade, check or back up a database of studies.", no_args_is_help=True)
app.add_typer(db, name="db")


@db.command()
def upgrade(storage: Storage = DEFAULT_STORAGE, as_json: JsonFlag = False) -> None:
    """Bring the database to the newest schema, as every command that opens it does, and say from which one."""
    from nas.store.maintenance import upgrade as run

    before, after = run(storage)
    if as_json:
        print_json({"from": before, "to": after})
    else:
        typer.echo(f"schema {after} already" if before == after else f"schema {before} -> {after}")


@db.command()
def check(storage: Storage = DEFAULT_STORAGE, as_json: JsonFlag = False) -> None:
    """Look for damage without writing: exit code 1 if there is any, or if the schema is old."""
    from dataclasses import asdict

    from nas.store.maintenance import check as run

    report = run(storage)
    if as_json:
        print_json({**asdict(report), "ok": report.ok})
    else:
        out = console()
        old = "" if report.schema == report.newest else f", not {report.newest}: run `nas db upgrade`"
        out.print(f"database {report.database}: schema {report.schema}{old}", markup=False)
        for line in report.integrity:
            out.print(f"damaged: {line}", markup=False)
        if report.references:
            out.print(f"damaged: {report.references} rows refer to one that is not there")
        for finding in report.findings:
            out.print(f"impossible: {finding.trials} trials {finding.what}, such as {finding.first}", markup=False)
        for name in report.dead:
            out.print(f"interrupted: study {name}; go on with `nas resume {name}`", markup=False)
        out.print(", ".join(f"{number} {name}" for name, number in report.counts.items()))
        out.print("ok" if report.ok else "not ok")
    if not report.ok:
        raise typer.Exit(EXIT_ERROR)


@db.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The new file; one that exists is refused.", metavar="FILE")],
    storage: Storage = DEFAULT_STORAGE,
    as_json: JsonFlag = False,
) -> None:
    """Copy an SQLite database into a new file, while a search may write to it."""
    from nas.store.maintenance import backup as run

    size = run(storage, file)
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        typer.echo(f"{file}: {size / 1e6:.1f} MB")
