"""Turns what belongs together into a parent run and runs nested in it: the writer's other half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.processes.identity import ProcessName, this_process
from benchmark.tracking.claims import PROCESS, process_of
from benchmark.tracking.items import LogItem, Tag
from benchmark.tracking.reader import COMPLETED
from benchmark.tracking.tracked_run import TrackedRun
from benchmark.tracking.writer import Tracker

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
_ERROR = "error"
_ENDS = {_ERROR, *COMPLETED}
"""Tags that say how a run ended."""


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """A run that is over before it is written.

    Attributes:
        name: Of the run.
        tags: Of the run.
        items: What is logged.
        status: MLflow's: FINISHED, KILLED or FAILED.
        start: Milliseconds since 1970.
        end: The same.
    """

    name: str
    tags: Mapping[str, str]
    items: Sequence[LogItem]
    status: str
    start: int
    end: int


class Family:
    """A parent run, found by its tags or created, and the runs nested in it."""

    def __init__(self, tracker: Tracker, name: str, key: Mapping[str, str]) -> None:
        """Find the parent, or create it.

        Args:
            tracker: Of the store.
            name: Of the parent.
            key: Tags that only this parent has.
        """
        self._tracker = tracker
        found = self._search(key)
        if not found:
            created = tracker.start(name, key)
            found = self._search(key)  # a process on another machine may have created one, too
            if found[0].info.run_id != created.id:
                created.withdraw()
        self.id: str = found[0].info.run_id
        self.parent = TrackedRun(tracker, self.id)

    def begin(self, tags: Mapping[str, str]) -> None:
        """Mark the parent as running in this process, and label it."""
        client = self._tracker.client
        client.update_run(self.id, status="RUNNING")
        ended = _ENDS & client.get_run(self.id).data.tags.keys()  # before; that is no more true
        own = {PROCESS: str(this_process()), **dict.fromkeys(ended, "")}
        for name, value in {**own, **tags}.items():
            client.set_tag(self.id, name, value)

    def leave_to(self, process: ProcessName) -> None:
        """Mark the parent as running in another process, which goes on after the end of this."""
        self.parent.log(Tag(PROCESS, str(process)))
        self.parent.flush()

    def children(self, tag: str) -> dict[str, str]:
        """Ids of the nested runs by the value of one of their tags.

        To be called by one process of this machine at a time: what another has not finished is
        withdrawn, since that was interrupted. So is what another machine wrote, too.
        """
        there: dict[str, str] = {}
        for run in sorted(self._search({PARENT: self.id}), key=lambda run: str(run.info.run_id)):
            if tag in run.data.tags and run.data.tags[tag] not in there:
                there[run.data.tags[tag]] = run.info.run_id
            elif tag in run.data.tags or process_of(run).is_here:
                self._withdraw(run.info.run_id)
        return there

    def _withdraw(self, run_id: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            TrackedRun(self._tracker, run_id).withdraw()
        except MlflowException:
            if self._tracker.client.get_run(run_id).info.lifecycle_stage == "active":
                raise  # else another machine was faster

    def add(self, child: PastRun) -> None:
        """Write a nested run; its tags come last, when all of it is there."""
        client = self._tracker.client
        run = client.create_run(
            self._tracker.experiment_id,
            child.start,
            {PARENT: self.id, PROCESS: str(this_process())},
            run_name=child.name,
        )
        tracked = TrackedRun(self._tracker, run.info.run_id)
        tracked.log(*child.items)
        tracked.flush()
        client.set_terminated(tracked.id, child.status, child.end)
        tracked.log(*(Tag(name, value) for name, value in child.tags.items()))
        tracked.flush()

    def pause(self) -> None:
        """Mark the parent as stopped before its end; the next process opens it again."""
        self.parent.flush()
        self._tracker.client.set_terminated(self.id, "KILLED")

    def fail(self, reason: str) -> None:
        """Mark the parent as failed; the next process opens it again."""
        self.parent.log(Tag(_ERROR, reason))
        self.parent.flush()
        self._tracker.client.set_terminated(self.id, "FAILED")

    def finish(self) -> None:
        """Mark the parent as completed."""
        with self.parent:
            pass

    def upload(self, path: Path) -> None:
        """Store a file, or replace it, at the parent."""
        self._tracker.client.log_artifact(self.id, str(path))

    def _search(self, tags: Mapping[str, str]) -> list[Run]:
        """Find runs with all of these tags, the oldest first."""
        return self._tracker.search(
            " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        )
