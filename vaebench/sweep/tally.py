"""Counts of the work of one process, for its progress and its cost, and of the rows that are there at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vaebench.errors import RunError
from vaebench.results import read_rows, write_run_json
from vaebench.space import Point, point_id
from vaebench.sweep.evaluator import EvaluationQueue
from vaebench.sweep.progress import RunProgress, show_notes
from vaebench.training.pool import Tick

if TYPE_CHECKING:
    import pandas as pd


def all_rows(out: Path, points: Sequence[Point], digest: str, record: Mapping[str, Any]) -> pd.DataFrame:
    """Return all rows of a folder at the end of a run, which somebody may have removed or changed in the meantime.

    Args:
        out: the folder.
        points: those that were trained, or had a row before.
        digest: of the data set.
        record: what its ``run.json`` held; it is written again, with a note, if it is gone, for rows without it cannot be
            continued.

    Raises:
        RunError: rows of these points are gone.
    """
    if not (out / "run.json").exists():
        write_run_json(record, out)
        show_notes([f"{out / 'run.json'} was removed while the command ran, and has been written again"])
    rows = read_rows(out)
    gone = len({point_id(point, digest) for point in points} - set(rows["point"]))
    if gone:
        raise RunError(
            f"{out} was removed or changed while the command ran: the rows of {gone} of {len(points)} points are gone; the same "
            "command trains them again"
        )
    return rows


class Tally(NamedTuple):
    """Counts of the work done so far by a task.

    Attributes:
        groups: compiled programs.
        points: points and baselines to be done.
        started: start of the task, by ``time.perf_counter``.
        group: number of the current program.
        trainings: finished trainings.
        useful: lane-epochs trained.
        computed: lane-epochs computed, including those of stopped and idle lanes.
    """

    groups: int
    points: int
    started: float
    group: int = 0
    trainings: int = 0
    useful: int = 0
    computed: int = 0

    def shared(self, group: Sequence[Point], mine: Sequence[Point], others: Sequence[Point]) -> Tally:
        """Return the tally at the start of a group, of which this process trains ``mine`` and other processes ``others``."""
        elsewhere = len(group) - len(mine) - len(others)  # trained by others since the start
        return self._replace(
            points=self.points - elsewhere,
            group=self.group + bool(mine),
            groups=max(self.groups, self.group + bool(mine)),
        )

    def after(self, tick: Tick) -> Tally:
        """Return the tally with one more tick of a pool."""
        return self._replace(
            trainings=self.trainings + len(tick.finished),
            useful=self.useful + tick.useful,
            computed=self.computed + tick.computed,
        )

    def state(self, queue: EvaluationQueue) -> RunProgress:
        """Return the progress to be shown."""
        efficiency = self.useful / self.computed if self.computed else 1.0
        seconds = time.perf_counter() - self.started
        queued = len(queue.pending)
        return RunProgress(
            self.groups, self.group, self.points, queue.done, queue.failed, queued, self.useful, efficiency, seconds
        )

    def cost(self) -> dict[str, Any]:
        """Return seconds, trainings, programs and epochs (useful and computed) as JSON values."""
        return {
            "seconds": round(time.perf_counter() - self.started, 2),
            "trainings": self.trainings,
            "programs": self.group,
            "epochs": self.useful,
            "computed_epochs": self.computed,
        }
