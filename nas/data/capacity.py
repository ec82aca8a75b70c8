"""Whether a folder's images are decoded once, or streamed: what they would take decoded against what there is.

The bound is the environment's NAS_DECODED_LIMIT in GiB (0 streams every folder), and without it half of the
machine's memory, since mapped images that do not stay in memory are read from disk in random order, or half of the
free disk below the data root where that is less. Without the variable, images that were decoded before are used.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from pathlib import Path

from nas.errors import DataError

LIMIT_VARIABLE = "NAS_DECODED_LIMIT"
SHARE = 0.5
GIB = 2**30
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def wanted_limit() -> int | None:
    """NAS_DECODED_LIMIT in bytes; None where it is not set. Raises DataError."""
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise DataError(f"{LIMIT_VARIABLE} must be a number of GiB, 0 or more (0 streams every folder), got {text!r}")
    return int(number * GIB)


def usual_limit(root: Path) -> int:
    """Bytes of decoded images that this machine takes below `root`."""
    return int(SHARE * min(_memory(), _free_disk(root)))


def _memory() -> int:
    """Bytes of this machine, or of the container."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            memory = min(memory, int(Path(path).read_text()))
    return memory


def _free_disk(root: Path) -> int:
    for place in (root, *root.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return 0
