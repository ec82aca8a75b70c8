#!/bin/bash
# A search on the nodes of one SLURM job. The first node runs the search, and all of them train children:
#
#   NAS_STUDY=mine NAS_STORAGE=postgresql://… NAS_DATA=/shared/data sbatch scripts/cluster/slurm.sh --space resnext --budget 500
#
# The words after the script are those of `nas search`. Two minutes before its time is over the job stops the search and
# puts itself back into the queue; there, and when it is submitted again, it goes on with the study NAS_STUDY.
#SBATCH --job-name=nas
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

: "${NAS_STUDY:?give the name of the study}" "${NAS_STORAGE:?give the database, as postgresql://user@host/database}"
export NAS_STUDY NAS_STORAGE NAS_DATA="${NAS_DATA:-$HOME/.cache/nas}" OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0

# Other users of these nodes can reach Ray's ports: a token of this job's own keeps them out.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
# Short, for Ray's sockets, and on each node's own disk.
export RAY_TMPDIR="/tmp/nas-$SLURM_JOB_ID"

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 10000))
export RAY_ADDRESS="$address:$port"

begin() { # a node of Ray, which ends with this script
    local node=$1
    shift
    srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" bash -c 'mkdir -p "$RAY_TMPDIR" && exec "$@"' begin \
        ray start "$@" --num-cpus="${SLURM_CPUS_PER_TASK:-1}" --block &
    started+=($!)
}

started=()
search=
finish() {
    trap - EXIT
    [ -z "$search" ] || kill -TERM "$search" 2> /dev/null || true
    kill -TERM "${started[@]}" 2> /dev/null || true
    wait || true
    rm -rf "$RAY_TMPDIR" # on this node; the others keep the logs of theirs
}
trap finish EXIT

begin "$head" --head --node-ip-address="$address" --port="$port" --include-dashboard=False
for ((tries = 60; tries > 0; tries--)); do
    ! (exec 3<> "/dev/tcp/$address/$port") 2> /dev/null || break
    sleep 1
done
[ "$tries" -gt 0 ] || { echo "Ray did not start on $head; see $RAY_TMPDIR there" >&2; exit 1; }
for node in "${nodes[@]:1}"; do
    begin "$node" --address="$RAY_ADDRESS"
done

# The nodes that come later are taken, too. "auto" is RAY_ADDRESS: the study can go on at another address.
if nas show "$NAS_STUDY" --json > /dev/null 2>&1; then
    nas resume "$NAS_STUDY" &
else
    nas search --name "$NAS_STUDY" --ray-address auto "$@" &
fi
search=$!
trap 'kill -TERM "$search"' TERM
code=0
wait "$search" || code=$?
if [ "$code" -gt 128 ] && kill -0 "$search" 2> /dev/null; then # the signal ended the waiting, not the search
    code=0
    wait "$search" || code=$?
fi
search=
[ "$code" -ne 143 ] || scontrol requeue "$SLURM_JOB_ID"
exit "$code"
