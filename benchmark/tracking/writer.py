"""Turns a store into the one experiment that runs are written to: the only writer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.processes.identity import this_process
from benchmark.tracking.artifacts import lent
from benchmark.tracking.claims import PROCESS
from benchmark.tracking.connection import all_pages, connect
from benchmark.tracking.database import unusable
from benchmark.tracking.locations import check_client, new_location
from benchmark.tracking.new_store import let_readers_in
from benchmark.tracking.patience import Patience
from benchmark.tracking.pending import NOTE
from benchmark.tracking.store import Store, no_experiment
from benchmark.tracking.tracked_run import TrackedRun
from registry.printable import shortened

if TYPE_CHECKING:
    from mlflow.entities import Run

_NAME_LENGTH = 250
"""Its databases hold no longer names of runs."""
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


class Tracker:
    """Writes runs to one experiment of an MLflow store."""

    def __init__(self, store: Store, *, write: bool = True) -> None:
        """Connect, and create the store and the experiment where they are missing.

        Args:
            store: The store, which exists if it is not to be written to.
            write: Whether it has to be writable; else nothing is created.

        Raises:
            UserError: The store cannot be used; says why.
        """
        from mlflow.exceptions import MlflowException

        self.client, experiment = connect(store, write=write)
        if experiment is None and not write:
            raise no_experiment(store)
        try:
            if experiment is not None:
                check_client(experiment.artifact_location)
            self.experiment_id: str = (
                experiment.experiment_id if experiment else self._create_experiment(store)
            )
        except (MlflowException, OSError) as error:
            raise unusable(store, str(error)) from error
        self.patience = Patience(f"the MLflow store {store}", self.client)

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
                    NOTE: _ABOUT,
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
        return TrackedRun(self, run.info.run_id, name)

    def search(self, query: str) -> list[Run]:
        """Find the experiment's runs by a query in MLflow's language, the oldest first."""
        oldest = ["attributes.start_time ASC"]
        search = partial(self.client.search_runs, [self.experiment_id], query, order_by=oldest)
        return [*all_pages(search)]

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

    def remove_artifact(self, run_id: str, name: str) -> None:
        """Remove a file of a run, if it is there."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        place = self.client.get_run(run_id).info.artifact_uri
        repository: Any = get_artifact_repository(place, self.client.tracking_uri)
        if name in {entry.path for entry in repository.list_artifacts()}:
            repository.delete_artifacts(name)
