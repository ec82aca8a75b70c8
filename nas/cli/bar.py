"""A bar of progress on stderr."""

from __future__ import annotations

from nas.cli.output import console


class Bar:
    """How far something is: a live bar on a terminal, nothing where stderr is none."""

    def __init__(self, what: str, quiet: bool) -> None:
        from rich.progress import Progress

        stderr = console(stderr=True)
        self._bar = Progress(console=stderr, disable=quiet or not stderr.is_terminal, transient=True)
        self._task = self._bar.add_task(what, total=None)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """So many of all are done."""
        self._bar.update(self._task, completed=done, total=total)
