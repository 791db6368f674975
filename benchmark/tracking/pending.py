"""Turns what a run has logged into requests to its store: at once, or out of a folder much later.

All that is sent twice takes its own place, so that whoever is interrupted may begin again.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from benchmark.tracking.items import Artifact, Banner, LoggedImage

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

NOTE = "mlflow.note.content"
"""Tag that MLflow keeps a description in, in Markdown."""
_RECORD = "record.json"
_FILES = "files"
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
"""What MLflow takes in one request."""


@dataclass(kw_only=True)
class Pending:
    """What a store has not got of a run yet.

    Attributes:
        run_id: The run's.
        name: The run's.
        batch: Metrics, params and tags, as MLflow takes them.
        inputs: Data sets.
        banners: Pictures to be shown above the description.
        status: With which the run ended; empty while it goes on.
        ended: When, in milliseconds since 1970.
    """

    run_id: str
    name: str
    batch: dict[str, list[Any]] = field(default_factory=lambda: {kind: [] for kind in _BATCH})
    inputs: list[DatasetInput] = field(default_factory=list)
    banners: list[Banner] = field(default_factory=list)
    status: str = ""
    ended: int = 0

    def send_batches(self, client: MlflowClient) -> None:
        """Send metrics, params and tags, and forget those that have arrived."""
        while any(self.batch.values()):
            first: Any = {kind: items[: _BATCH[kind]] for kind, items in self.batch.items()}
            client.log_batch(self.run_id, **first)
            for kind, items in self.batch.items():
                del items[: _BATCH[kind]]

    def send(self, client: MlflowClient, folder: Path | None = None) -> None:
        """Send all of a run that has ended; that it is completed comes last.

        Args:
            client: Of the store.
            folder: With what was kept, if anything was.
        """
        if folder is not None and (folder / _FILES).is_dir():
            client.log_artifacts(self.run_id, str(folder / _FILES))
        if self.inputs:
            send_inputs(client, self.run_id, self.inputs)
        self.send_batches(client)
        for banner in self.banners:
            send_banner(client, self.run_id, banner)
        client.set_terminated(self.run_id, self.status, self.ended)
        if self.status == "FINISHED":
            client.set_tag(self.run_id, "completed", "true")

    def keep(self, item: Artifact | LoggedImage | Banner, folder: Path) -> None:
        """Keep an item, in a folder if it is a file, until the run is sent."""
        if isinstance(item, Banner):
            self.banners.append(item)
        elif isinstance(item, LoggedImage):
            self._keep_image(item, folder)
        else:
            target = folder / _FILES / (item.folder or "")
            target.mkdir(parents=True, exist_ok=True)
            if item.path.is_dir():
                shutil.copytree(item.path, target, dirs_exist_ok=True)
            else:
                shutil.copy(item.path, target)

    def _keep_image(self, item: LoggedImage, folder: Path) -> None:
        """Keep the files and the tag that MLflow makes of an image: other ones each time."""
        from mlflow import MlflowClient
        from mlflow.entities import RunTag

        def keep_file(run_id: str, path: str, folder_of_run: str | None = None) -> None:
            self.keep(Artifact(Path(path), folder_of_run), folder)

        def keep_tag(run_id: str, name: str, value: object, *args: object) -> None:
            self.batch["tags"].append(RunTag(name, str(value)))

        client: Any = MlflowClient.__new__(MlflowClient)  # which reaches no store
        client.log_artifact, client.set_tag = keep_file, keep_tag
        send_image(client, self.run_id, item)

    def save(self, folder: Path) -> None:
        """Write to a folder what is not kept there yet."""
        record = {
            "run_id": self.run_id,
            "name": self.name,
            "batch": {kind: [dict(one) for one in items] for kind, items in self.batch.items()},
            "inputs": [one.to_dictionary() for one in self.inputs],
            "banners": [[banner.file, banner.title] for banner in self.banners],
            "status": self.status,
            "ended": self.ended,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _RECORD).write_text(json.dumps(record), encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> Pending:
        """Read what `save` wrote.

        Raises:
            OSError: It cannot be read.
            ValueError: It is something else.
        """
        from mlflow import entities

        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        kinds: dict[str, Any] = {
            "metrics": entities.Metric,
            "params": entities.Param,
            "tags": entities.RunTag,
        }
        for kind, entity in kinds.items():
            record["batch"][kind] = [entity(**one) for one in record["batch"][kind]]
        record["inputs"] = [
            entities.DatasetInput(
                entities.Dataset(**one["dataset"]),
                [entities.InputTag(*tag) for tag in one["tags"].items()],
            )
            for one in record["inputs"]
        ]
        record["banners"] = [Banner(*banner) for banner in record["banners"]]
        return Pending(**record)


def send_inputs(client: MlflowClient, run_id: str, inputs: list[DatasetInput]) -> None:
    """Attach data sets to a run."""
    from mlflow.exceptions import MlflowException

    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:  # perhaps another process described the same data just then
        client.log_inputs(run_id, inputs)


def send_image(client: MlflowClient, run_id: str, item: LoggedImage) -> None:
    """Log a picture, packed in a third of the usual time into a file that is a tenth larger."""
    item.image.save = partial(item.image.save, compress_level=1)  # type: ignore[method-assign]
    client.log_image(run_id, item.image, key=item.key, step=0)


def send_banner(client: MlflowClient, run_id: str, banner: Banner) -> None:
    """Show a picture above a run's description, once."""
    text = client.get_run(run_id).data.tags.get(NOTE, "")
    # Beside MLflow's pages, wherever they are.
    address = "get-artifact?" + urlencode({"path": banner.file, "run_uuid": run_id})
    if address not in text:
        client.set_tag(run_id, NOTE, f"![{banner.title}]({address})\n\n{text}")
