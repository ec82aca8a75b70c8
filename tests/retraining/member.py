"""One member of a team of two, as a process: `python member.py RANK MEETING JOBS.json`; no Ray.

It trains one job after the other. The state after the first epoch of each is copied to where its entry says.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path


def main() -> None:
    import torch

    from nas.retraining.run import run
    from nas.retraining.state_file import STATE
    from nas.retraining.tasks import Job
    from nas.training.team import Team

    rank, meeting, jobs = int(sys.argv[1]), sys.argv[2], json.loads(Path(sys.argv[3]).read_text())
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    for document, copy in jobs:
        job = Job(**document)

        def report(metrics: Mapping[str, float], job: Job = job, copy: str | None = copy) -> None:
            if metrics["epoch"] == 1 and copy is not None:
                Path(copy).mkdir(parents=True)
                shutil.copy(Path(job.folder) / STATE, Path(copy) / STATE)

        run(job, torch.device("cpu"), team=Team(rank, 2), report=report)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
