"""Why a child broke: one line for its row, the end of the traceback, and whether another try may go better."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from nas.errors import NasError
from nas.executors import Failure, limits
from nas.executors.limits import Overtime

LONGEST_REASON = 500  # characters; CUDA's out-of-memory text alone is longer than a table row should be
LONGEST_TRACEBACK = 4000  # characters, from the end, where the error is


def failure(error: BaseException, *, again: bool = False) -> Failure:
    """What an error in the child's own process means for it."""
    return Failure(reason(error), traceback_end(error), again or spoils(error))


def spoils(error: BaseException) -> bool:
    """Whether the process is not to be trusted after this error: out of memory, or an error of the GPU that stays.

    Such an error depends on more than the child, so that another process may do better with it.
    """
    if isinstance(error, MemoryError):
        return True
    # After a fault in a kernel every further call of CUDA fails too. Out of memory is no such fault.
    kind, text = type(error).__name__, _text(error)
    return kind == "AcceleratorError" or (isinstance(error, RuntimeError) and text.startswith("CUDA error"))


def reason(error: BaseException) -> str:
    """One line for a child's failure: our own errors speak for themselves, others say their type and place."""
    message = _text(error)
    if isinstance(error, Overtime):
        message += _place(error)  # where it hung
    elif not (isinstance(error, NasError) and message):
        message = f"{type(error).__name__}: {message}" if message else type(error).__name__
        message = _shorten(message) + _place(error)
    return _shorten(message)


def traceback_end(error: BaseException) -> str:
    """The last lines of the error's traceback, as Python prints it."""
    try:
        text = "".join(traceback.format_exception(error)).strip()
    except Exception:  # an error of the user's own may fail to say what it is
        text = "".join(traceback.format_tb(error.__traceback__)).strip()
    return end_of(text)


def end_of(text: str) -> str:
    """Whole lines from the end, as many as are kept."""
    if len(text) <= LONGEST_TRACEBACK:
        return text
    _, _, whole = text[-LONGEST_TRACEBACK + 2 :].partition("\n")
    return "…\n" + (whole or text[-LONGEST_TRACEBACK + 2 :])


def worker_death(text: str) -> str:
    """One line for a child whose worker process died, made of the many that Ray has to say."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    if "creation task" in lines[0]:
        return _shorten(f"the worker could not start: {lines[-1]}")
    if memory := re.search(r"low on memory.* was (.+ limit)", lines[0]):
        return f"the worker was stopped because its machine ran low on memory ({memory[1]})"
    if code := re.search(r"exit code (\d+)", lines[-1]):
        return f"the worker process ended with exit code {code[1]}"
    if "connection error" in lines[-1]:
        return "the worker process was killed or crashed (out of memory, or a fault in compiled code)"
    return _shorten(f"the worker died: {lines[-1]}")


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:  # its own __str__ is broken
        return ""


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"


def _place(error: BaseException) -> str:
    """` (file:line)` of the innermost frame outside installed packages: where the user can look."""
    frames = traceback.extract_tb(error.__traceback__)
    # Overtime is raised by a handler of signals, on top of what hung.
    hung = [frame for frame in frames if not (isinstance(error, Overtime) and frame.filename == limits.__file__)]
    own = [frame for frame in hung if "site-packages" not in frame.filename] or frames
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
