"""Turns what belongs together into a parent run and runs nested in it: the writer's other half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.tracking.items import LogItem
from benchmark.tracking.writer import TrackedRun, Tracker

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
_PAGE = 1000


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
        """Open the parent.

        Args:
            tracker: Of the store.
            name: Of the parent.
            key: Tags that only this parent has.
        """
        self._tracker = tracker
        found = self._search(key)
        if not found:
            created = tracker.client.create_run(
                tracker.experiment_id, run_name=name, tags=dict(key)
            )
            found = self._search(key)  # a process on another machine may have created one, too
            if found[0].info.run_id != created.info.run_id:
                tracker.client.delete_run(created.info.run_id)
        self.id: str = found[0].info.run_id
        tracker.client.update_run(self.id, status="RUNNING")
        self.parent = TrackedRun(tracker.client, self.id)

    def children(self, tag: str) -> dict[str, str]:
        """Ids of the nested runs by the value of one of their tags."""
        return {
            run.data.tags[tag]: run.info.run_id
            for run in self._search({PARENT: self.id})
            if tag in run.data.tags
        }

    def add(self, child: PastRun) -> None:
        """Write a nested run."""
        client = self._tracker.client
        run = client.create_run(
            self._tracker.experiment_id,
            child.start,
            {**child.tags, PARENT: self.id},
            run_name=child.name,
        )
        tracked = TrackedRun(client, run.info.run_id)
        tracked.log(*child.items)
        tracked.flush()
        client.set_terminated(tracked.id, child.status, child.end)

    def pause(self) -> None:
        """Mark the parent as stopped before its end; the next process opens it again."""
        self.parent.flush()
        self._tracker.client.set_terminated(self.id, "KILLED")

    def finish(self) -> None:
        """Mark the parent as completed."""
        with self.parent:
            pass

    def relabel(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run that is written already."""
        for name, value in tags.items():
            self._tracker.client.set_tag(run_id, name, value)

    def upload(self, path: Path) -> None:
        """Store a file, or replace it, at the parent."""
        self._tracker.client.log_artifact(self.id, str(path))

    def _search(self, tags: Mapping[str, str]) -> list[Run]:
        """Find runs with all of these tags, the oldest first."""
        query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self._tracker.client.search_runs(
                [self._tracker.experiment_id],
                query,
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return found
