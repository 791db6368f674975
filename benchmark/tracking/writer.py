"""Turns a stream of log items into MLflow runs: the only writer."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from benchmark.processes.identity import this_process
from benchmark.tracking.artifacts import lent
from benchmark.tracking.claims import PROCESS
from benchmark.tracking.connection import connect
from benchmark.tracking.database import unusable
from benchmark.tracking.items import Artifact, Banner, LoggedImage, LogItem, Metric, Param, Tag
from benchmark.tracking.locations import check_client, new_location
from benchmark.tracking.new_store import let_readers_in
from benchmark.tracking.patience import Patience, StoreAway
from benchmark.tracking.store import Store
from registry.errors import masked, one_line
from registry.printable import shortened

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

FLUSH_SECONDS = 5.0
_PAGE = 1000
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
"""What MLflow takes in one request."""
_NAME_LENGTH = 250
"""Its databases hold no longer names of runs."""
_NOTE = "mlflow.note.content"
"""Tag that MLflow keeps a description in, in Markdown."""
_ABOUT = """\
Image classifiers of one study, side by side. The menu of views, above the table on the right, has
*Study*, all runs in the order of the leaderboard, and *Study by experiment*: networks **from
scratch**, fine-tuned networks and trees on their embeddings (**experiment 1**), the same with a
frozen backbone (**experiment 2**), and what the study did not have (**beyond the study**).

`test_accuracy` is measured once a run and chooses nothing; `best_val_accuracy` chooses. The 95%
interval of the first goes from `test_accuracy_low` to `test_accuracy_high`; `rank` is the place of
a run's system in the leaderboard, the best on validation first. `study_accuracy`, on images of the
study's kind, is what the study published for its own. `fit_seconds` goes from the weights that a
network starts with to the classifier, a head's with its backbone's. Only runs with the same tag
`context` are comparable: it stands for the same data, split and settings; runs that differ in
`seed` alone are repeats.
"""


class Skipped(Exception):
    """A run cannot be made here, through no fault of its own; the message says why."""


class TrackedRun:
    """An MLflow run that is written in batches and ends with its ``with`` block.

    The block's normal end marks it completed; `Skipped`, skipped, with the reason; any other
    exception, failed, with the traceback; a keyboard interrupt, killed.
    """

    def __init__(self, tracker: Tracker, run_id: str) -> None:
        self.id = run_id
        self._tracker = tracker
        self._client = tracker.client
        self._pending: dict[str, list[Any]] = {kind: [] for kind in _BATCH}
        self._flushed = time.monotonic()

    def log(self, *items: LogItem) -> None:
        """Take items; they reach MLflow within seconds or at the end, files at once."""
        for item in items:
            if isinstance(item, Artifact):
                self._upload(item)
            elif isinstance(item, LoggedImage):
                self._client.log_image(self.id, item.image, key=item.key, step=0)
            elif isinstance(item, Banner):
                self._describe(item)
            else:
                kind, entity = _entity(item)
                self._pending[kind].append(entity)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            # Nothing waits for a store that is away: it gets them later.
            with suppress(StoreAway), self._tracker.patience.suspended():
                self.flush()

    def flush(self) -> None:
        """Send what is pending."""
        self._flushed = time.monotonic()
        while any(self._pending.values()):
            batch: Any = {kind: items[: _BATCH[kind]] for kind, items in self._pending.items()}
            self._client.log_batch(self.id, **batch)
            for kind, items in self._pending.items():
                del items[: _BATCH[kind]]

    def withdraw(self) -> None:
        """Take the run back: it is not to be made after all."""
        self._client.set_terminated(self.id, "KILLED")
        self._client.delete_run(self.id)

    def _describe(self, item: Banner) -> None:
        text = self._client.get_run(self.id).data.tags.get(_NOTE, "")
        # Beside MLflow's pages, wherever they are.
        address = "get-artifact?" + urlencode({"path": item.file, "run_uuid": self.id})
        self._client.set_tag(self.id, _NOTE, f"![{item.title}]({address})\n\n{text}")

    def _upload(self, item: Artifact) -> None:
        if item.path.is_dir():
            self._client.log_artifacts(self.id, str(item.path), item.folder)
        else:
            self._client.log_artifact(self.id, str(item.path), item.folder)

    def __enter__(self) -> TrackedRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.flush()
            self._client.set_terminated(self.id, "FINISHED")
            self._client.set_tag(self.id, "completed", "true")
            return
        if isinstance(error, KeyboardInterrupt):
            self._tracker.patience.end()
        if isinstance(error, Skipped):
            self.log(Tag("skipped", str(error)))
        elif isinstance(error, Exception):
            self.log(Tag("error", one_line(error)))
            told = masked("".join(traceback.format_exception(error)))
            self._client.log_text(self.id, told, "traceback.txt")
        self.flush()
        failed = isinstance(error, Exception) and not isinstance(error, Skipped)
        self._client.set_terminated(self.id, "FAILED" if failed else "KILLED")


def _entity(item: Param | Metric | Tag) -> tuple[str, Any]:
    """What MLflow calls an item, and as what it takes it."""
    from mlflow import entities

    if isinstance(item, Metric):
        now = int(time.time() * 1000)
        return "metrics", entities.Metric(item.name, item.value, now, item.step)
    if isinstance(item, Param):
        return "params", entities.Param(item.name, masked(str(item.value)))
    return "tags", entities.RunTag(item.name, masked(item.value))


class Tracker:
    """Writes runs to one experiment of an MLflow store."""

    def __init__(self, store: Store) -> None:
        """Connect, and create the store and the experiment where they are missing.

        Raises:
            UserError: The store cannot be used; says why.
        """
        from mlflow.exceptions import MlflowException

        self.client, experiment = connect(store, write=True)
        try:
            if experiment is not None:
                check_client(experiment.artifact_location)
            self.experiment_id: str = (
                experiment.experiment_id if experiment else self._create_experiment(store)
            )
        except (MlflowException, OSError) as error:
            raise unusable(store, str(error)) from error
        self.patience = Patience(str(store), self.client)

    def _create_experiment(self, store: Store) -> str:
        """Create the experiment, or find that another process has just done so."""
        from mlflow.exceptions import MlflowException

        from benchmark.tracking.saved_views import study_views

        if store.file is not None:
            let_readers_in(store.file)
        try:
            return self.client.create_experiment(
                store.experiment,
                artifact_location=new_location(store),
                tags={
                    # Without it, MLflow's pages open in the mode for language models.
                    "mlflow.experimentKind": "custom_model_development",
                    _NOTE: _ABOUT,
                    **dict(view.tag() for view in study_views()),
                },
            )
        except MlflowException:
            if found := self.client.get_experiment_by_name(store.experiment):
                return found.experiment_id
            raise

    def set_experiment_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment."""
        for name, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, name, value)

    def start(self, name: str, tags: Mapping[str, str]) -> TrackedRun:
        """Create a run; to be used in a ``with`` statement."""
        name = shortened(name, _NAME_LENGTH)
        tags = {**tags, "mlflow.runName": name, PROCESS: str(this_process())}
        run = self.client.create_run(self.experiment_id, run_name=name, tags=tags)
        return TrackedRun(self, run.info.run_id)

    def search(self, query: str) -> list[Run]:
        """Find the experiment's runs by a query in MLflow's language, the oldest first."""
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                query,
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return found

    def find_completed(self, tags: Mapping[str, str]) -> str | None:
        """Find the newest completed run with all of these tags.

        Returns:
            Its id, or None.
        """
        wanted = {**tags, "completed": "true"}
        runs = self.client.search_runs(
            [self.experiment_id],
            " and ".join(f"tags.{name} = '{value}'" for name, value in wanted.items()),
            max_results=1,
        )
        return str(runs[0].info.run_id) if runs else None

    def artifact(self, run_id: str, name: str) -> AbstractContextManager[Path]:
        """Lend an artifact for a ``with`` block; see `benchmark.tracking.artifacts.lent`."""
        return lent(self.client, run_id, name)

    def read_metric(self, run_id: str, name: str) -> float:
        """Give a figure of a run; not a number where it has none."""
        return float(self.client.get_run(run_id).data.metrics.get(name, "nan"))

    def highest(self, query: str, metric: str) -> float:
        """The highest value of a metric among the runs of a query; 0 if there is none."""
        found = self.client.search_runs(
            [self.experiment_id],
            f"{query} and metrics.{metric} > 0",
            max_results=1,
            order_by=[f"metrics.{metric} DESC"],
        )
        return float(found[0].data.metrics[metric]) if found else 0.0

    def remove_artifact(self, run_id: str, name: str) -> None:
        """Remove a file of a run, if it is there."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        place = self.client.get_run(run_id).info.artifact_uri
        repository: Any = get_artifact_repository(place, self.client.tracking_uri)
        if name in {entry.path for entry in repository.list_artifacts()}:
            repository.delete_artifacts(name)

    def log_datasets(self, run_id: str, inputs: list[DatasetInput]) -> None:
        """Attach data sets to a run as its inputs."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.log_inputs(run_id, inputs)
        except MlflowException:  # perhaps another process described the same data just then
            self.client.log_inputs(run_id, inputs)
