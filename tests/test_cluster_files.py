"""The files of scripts/cluster, as far as they can be checked without a cloud, a Kubernetes and a SLURM."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILES = ROOT / "scripts" / "cluster"
RAY_UP, RAYJOB, SLURM = FILES / "ray_up_aws.yaml", FILES / "rayjob.yaml", FILES / "slurm.sh"


def test_ray_up_takes_its_file() -> None:
    import ray.autoscaler
    from jsonschema import validate

    config = yaml.safe_load(RAY_UP.read_text(encoding="utf-8"))
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text(encoding="utf-8"))
    validate(config, schema)
    types = config["available_node_types"]
    assert config["head_node_type"] in types
    workers = [kind for name, kind in types.items() if name != config["head_node_type"]]
    assert sum(kind["max_workers"] for kind in workers) <= config["max_workers"]
    assert all(kind["min_workers"] == kind["max_workers"] for kind in workers), "a search asks for no machines"
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"], config["setup_commands"]):
        for command in commands:
            subprocess.run(["bash", "-n", "-c", command], check=True)
    assert "RAY_AUTH_MODE=token" in str(config["setup_commands"])


def test_a_broken_file_would_not_be_taken() -> None:
    import ray.autoscaler
    from jsonschema import ValidationError, validate

    config = yaml.safe_load(RAY_UP.read_text(encoding="utf-8"))
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError):
        validate({**config, "head_nod_type": "head"}, schema)


# The fields of a RayJob that are used, from KubeRay's API reference for ray.io/v1.
RAYJOB_FIELDS = {
    "": {"apiVersion", "kind", "metadata", "spec"},
    "spec": {
        *("entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec"),
        *("runtimeEnvYAML", "submissionMode", "activeDeadlineSeconds", "suspend", "clusterSelector"),
    },
    "spec.rayClusterSpec": {
        "rayVersion",
        "authOptions",
        "headGroupSpec",
        "workerGroupSpecs",
        "enableInTreeAutoscaling",
    },
    "spec.rayClusterSpec.headGroupSpec": {"rayStartParams", "template", "serviceType"},
}
WORKER_FIELDS = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def test_the_rayjob_has_the_fields_that_kuberay_knows() -> None:
    job = yaml.safe_load(RAYJOB.read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    for path, fields in RAYJOB_FIELDS.items():
        place: Any = job
        for step in filter(None, path.split(".")):
            place = place[step]
        assert set(place) <= fields, path
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert set(workers) <= WORKER_FIELDS
    assert cluster["authOptions"] == {"mode": "token"}
    for group in (cluster["headGroupSpec"], workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert {variable["name"] for variable in container["env"]} >= {"NAS_STORAGE", "NAS_DATA"}
        volumes = {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    subprocess.run(["bash", "-n", "-c", job["spec"]["entrypoint"]], check=True)


@pytest.mark.parametrize("file", [RAYJOB, SLURM, ROOT / "docs" / "cluster.md"], ids=lambda file: file.name)
def test_every_option_of_nas_in_the_files_exists(file: Path) -> None:
    from typer.main import get_command

    from nas.cli import app, look, resume, search  # noqa: F401

    commands = get_command(app).commands  # type: ignore[attr-defined]
    calls = re.findall(r"\bnas (search|resume|show|studies)\b([^;&|`\n]*)", file.read_text(encoding="utf-8"))
    assert calls
    for command, words in calls:
        known = {option for parameter in commands[command].params for option in parameter.opts}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", words)) <= known, (command, words)


# --- the SLURM script, with commands that stand in for SLURM's -----------------------------------------------------

SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do
    [[ $1 != --nodelist=* ]] || node=${1#--nodelist=}
    shift
done
if [ "$1" = hostname ]; then echo "$HOSTS.1 fe80::1"; exit; fi
echo "$node: ${*:4}" >> "$FAKE/nodes.log"
if [[ "$*" == *--head* ]]; then exec "$@"; fi
exec "$@" --node-ip-address="$HOSTS.${node#n}"
"""
SCONTROL = """#!/bin/bash
if [ "$1 $2" = "show hostnames" ]; then printf '%s\\n' n1 n2; else echo "$@" >> "$FAKE/scontrol.log"; fi
"""


@pytest.fixture
def slurm() -> Iterator[dict[str, str]]:
    """The environment of a job of two nodes of this machine."""
    with tempfile.TemporaryDirectory(prefix="ns", dir="/tmp") as place:
        commands = {"srun": SRUN, "scontrol": SCONTROL}
        commands["ray"] = (
            f"#!/bin/bash\nexec {sys.executable} -c 'from ray.scripts.scripts import main; main()' \"$@\"\n"
        )
        commands["nas"] = f"#!/bin/bash\nexec {sys.executable} -c 'from nas.cli import main; main()' \"$@\"\n"
        for name, text in commands.items():
            (Path(place) / name).write_text(text)
            (Path(place) / name).chmod(0o755)
        yield {
            **os.environ,
            "PATH": f"{place}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "FAKE": place,
            "HOSTS": f"127.{random.randrange(10, 250)}.{random.randrange(250)}",
            "SLURM_JOB_ID": str(random.randrange(10**6, 10**7)),
            "SLURM_JOB_NODELIST": "n[1-2]",
            "SLURM_CPUS_PER_TASK": "1",
            "NAS_STUDY": "mine",
            "NAS_STORAGE": f"{place}/nas.db",
            "NAS_DATA": f"{place}/data",
        }


def job(slurm: dict[str, str], *words: str) -> subprocess.Popen[str]:
    command = ["bash", str(SLURM), "--controller", "random", "--baselines", "none", *words]
    return subprocess.Popen(
        command, cwd=slurm["FAKE"], env=slurm, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def trials(slurm: dict[str, str]) -> list[dict[str, Any]]:
    command = [f"{slurm['FAKE']}/nas", "show", "mine", "--json"]
    done = subprocess.run(command, env=slurm, capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout)["trials"] if done.returncode == 0 else []  # type: ignore[no-any-return]


@pytest.mark.faults(only_long=True)
@pytest.mark.timeout(300)
def test_the_slurm_script_searches_on_its_nodes_stops_in_time_and_goes_on(slurm: dict[str, str]) -> None:
    first = job(slurm, "--budget", "12", "--recipe", "epochs=4", "--fraction", "0.2", "--constraint", "flops<=1M")
    try:
        for _ in range(100):
            if any(trial["state"] == "complete" for trial in trials(slurm)) or first.poll() is not None:
                break
            time.sleep(1)
        first.send_signal(signal.SIGTERM)  # as SLURM does before the time is over
        _, errors = first.communicate(timeout=90)
    finally:
        first.kill()
    assert first.returncode == 143, errors
    assert (Path(slurm["FAKE"]) / "scontrol.log").read_text() == f"requeue {slurm['SLURM_JOB_ID']}\n"
    lines = (Path(slurm["FAKE"]) / "nodes.log").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["n1", "n2"]
    kept = [trial for trial in trials(slurm) if trial["state"] == "complete"]
    assert 0 < len(kept) < 12
    second = job(slurm, "--budget", "12")  # of a study that is there already, nothing but its name counts
    try:
        _, errors = second.communicate(timeout=150)
    finally:
        second.terminate()
        second.wait(timeout=60)
    assert second.returncode == 0, errors
    complete = [trial for trial in trials(slurm) if trial["state"] == "complete"]
    assert len({trial["architecture"] for trial in complete if not trial["reused"]}) == 12
    assert {trial["trial"]: trial["finished"] for trial in kept}.items() <= {
        trial["trial"]: trial["finished"] for trial in complete
    }.items(), "trained again"
    # Nothing of it is left running.
    left = subprocess.run(["pgrep", "-f", f"nas-{slurm['SLURM_JOB_ID']}/"], capture_output=True, text=True, check=False)
    assert left.stdout == ""
