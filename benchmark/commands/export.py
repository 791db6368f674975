"""``bench export``: turns a trained classifier into files for other programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import seed_and_context_options
from benchmark.commands.outputs import check_folder
from registry.printable import printable

if TYPE_CHECKING:
    from benchmark.classifier.export import ExportCheck, Format

DESCRIPTION = "model.json"


@click.command()
@click.argument("name", default="best", metavar="[NAME]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["onnx", "torchscript", "safetensors"]),
    default="onnx",
    show_default=True,
    help="onnx: with the head, for ONNX Runtime. torchscript: networks, for libtorch. "
    "safetensors: weights alone.",
)
@click.option(
    "--out",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to write the files. [default: NAME here]",
)
@seed_and_context_options
def export(
    name: str, format_: Format, folder: Path | None, seed: int | None, context: str | None
) -> None:
    """Write a classifier into files that need no bench, and check them.

    NAME is a run, a row of bench leaderboard by its system, or best: of the newest runs, by
    validation accuracy.

    The graph takes pixels, uint8 RGB of (N, size, size, 3): what a picture becomes by the aspect,
    crop and interpolation that model.json names. It scales them, subtracts mean and divides by std
    itself, and gives probabilities and embeddings. On the whole test split its probabilities are
    compared with bench's in float32, and its speed; what is not exact is not exported.
    """
    if format_ == "onnx":
        from benchmark.classifier.onnx_graph import check_packages

        check_packages()
    from benchmark.classifier.completed import find_trained
    from benchmark.classifier.export import ALL_FILES
    from benchmark.classifier.export import export as write
    from benchmark.data.home import home
    from benchmark.tracking.store import Store
    from benchmark.tracking.writer import Tracker

    store = Store()
    run = find_trained(store, name, seed=seed, context=context)
    own_name = str(run.info.run_name)
    folder = folder or Path(re.sub(r"[/:]", "-", own_name))
    check_folder(folder, "--output DIR", () if _is_export(folder) else ALL_FILES)
    found = write(Tracker(store), run, format_, folder, home())
    for file in filter(Path.is_file, map(folder.joinpath, ALL_FILES)):
        click.echo(printable(f"{file}  {file.stat().st_size / 1e6:,.2f} MB"))
    for line in _told(found):
        click.echo(line)


def _is_export(folder: Path) -> bool:
    """Whether an earlier export stands in a folder, which another may replace."""
    try:
        return "run_id" in json.loads((folder / DESCRIPTION).read_text())
    except (OSError, ValueError, TypeError):
        return False


def _told(found: ExportCheck) -> Iterator[str]:
    labels = f"{found.changed_labels or 'no'} label{'s'[: found.changed_labels != 1]} changed"
    ties = f", {found.ties} of them between classes that are equally probable" if found.ties else ""
    yield (
        f"{found.images:,} test images: probabilities differ from bench's in float32 by at most "
        f"{found.largest_difference:.1e}, {labels}{ties}"
    )
    if found.changed_since_run:
        differ = "label differs" if found.changed_since_run == 1 else "labels differ"
        yield (
            f"{found.changed_since_run} {differ} from what the run stored: on some hardware runs "
            "compute in bfloat16 (train.precision), and the files in float32"
        )
    for how, theirs, ours in zip(
        ("in batches", "one at a time"), found.milliseconds, found.own_milliseconds, strict=True
    ):
        yield f"{how}: {theirs:.2f} ms an image, bench {ours:.2f} ms"
