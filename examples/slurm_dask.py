"""A sweep on a Slurm cluster through dask-jobqueue: one worker process per GPU, rows in one shared folder.

    pip install '.[cluster]'
    python examples/slurm_dask.py cohort.csv.gz runs/cohort

If a worker dies, the points it was training are given to other workers. Running the script again trains what is missing.
Every worker must see the output folder under the same path.
"""

from __future__ import annotations

import math
import sys

from dask_jobqueue import SLURMCluster
from distributed import Client

import vaebench as vb


def main(table: str, out: str) -> None:
    """Train the study's grid for one table on eight GPUs."""
    cluster = SLURMCluster(
        processes=1,
        cores=8,
        memory="64GB",
        walltime="12:00:00",
        job_extra_directives=["--gres=gpu:1"],
    )
    cluster.scale(jobs=8)
    data = vb.data.read_table(table, label="cohort", top=5000)
    points = vb.protocols.points(vb.protocols.eltager2023)
    with Client(cluster) as client:
        # lanes are chosen from the device of the machine that starts the run; give them if it has no GPU
        how = {"lanes": 128, "silent_minutes": math.inf}  # the jobs may wait in the queue for a day
        rows = vb.run(points, data, metrics=["leiden"], out=out, executor=client.get_executor(), **how)
    print(rows.groupby("static/variant")["metric/leiden/ari"].describe())


if __name__ == "__main__":
    main(*sys.argv[1:])
