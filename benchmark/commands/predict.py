"""``bench predict``: turns pictures of any number into what a trained classifier says of them."""

from __future__ import annotations

import csv
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from benchmark.commands.options import FiniteRange, classifier_options
from benchmark.commands.outputs import STANDARD_OUTPUT, check_file
from benchmark.data.home import home
from registry.errors import UserError
from registry.printable import printable

if TYPE_CHECKING:
    from benchmark.classifier.collection import PictureFile, Pictures
    from benchmark.classifier.tracked import Answer, TrackedClassifier
    from benchmark.classifier.verdict import Verdict

EXIT_UNREADABLE = 1
MAX_BATCH = 4096
_COLUMNS = ("image", "label", "probability", "margin")

level_option = click.option(
    "--level",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    help="Share of pictures like those trained on that may wrongly be called unknown, and of sets "
    "of possible classes that may miss the true one. [default: 0.05]",
)
batch_option = click.option(
    "--batch",
    type=click.IntRange(1, MAX_BATCH),
    help="How many pictures go through the network at once. [default: as many as the caches hold, "
    "32 at most (10 at 224 px); on a GPU 128]",
)


@click.command()
@click.argument("paths", nargs=-1, required=True)
@classifier_options
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the rows to a file in place of the screen; - for standard output.",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many classes of each picture to tell.",
)
@level_option
@batch_option
def predict(
    paths: tuple[str, ...],
    name: str,
    seed: int | None,
    context: str | None,
    csv_file: Path | None,
    top: int,
    level: float | None,
    batch: int | None,
) -> None:
    """Classify the pictures in PATHS.

    They are files, folders, zips, globs, or - for names on standard input. A row a picture: its
    class, the probability, the margin before the second class, and what comes next. A picture that
    resembles nothing trained on is marked unknown. What cannot be read is listed with the reason,
    and then the exit code is 1. Where folders are called as classes are, the accuracy is told.
    """
    if csv_file not in (None, STANDARD_OUTPUT):
        check_file(csv_file, "--csv FILE", is_predictions)

    from benchmark.classifier.collection import collect

    pictures = collect(paths, home(), sys.stdin.buffer)

    from benchmark.classifier.loading import find_classifier
    from benchmark.classifier.verdict import check_level, untold
    from benchmark.data.names import counted, spelling
    from benchmark.tracking.store import Store

    classifier = find_classifier(Store(), name, seed=seed, context=context)
    level = check_level(classifier.calibration, level)
    start = time.monotonic()
    unread, right = [], []
    spelled = {spelling(label): label for label in classifier.class_names}
    with _rows(csv_file, min(top, len(classifier.class_names))) as write:
        quiet = csv_file not in (None, STANDARD_OUTPUT)
        for file, answer, verdict in judged(
            classifier, pictures, level=level, batch=batch, quiet=quiet
        ):
            if verdict is None:
                unread.append(f"{file.name}: {answer.reason}")
                continue
            write(file.name, verdict)
            if label := file.label(spelled):
                right.append(verdict.label == label)
        seconds = time.monotonic() - start
        unread += [f"{one.name}: {one.reason}" for one in pictures.left_out]
        read = len(pictures.files) + len(pictures.left_out) - len(unread)
        if not read:  # said here, to leave an earlier table as it is
            what = f"none of {len(unread)} files is a picture that can be read"
            raise UserError(f"{what}: {unread[0]}")
    told = [f"{counted(read, 'picture')} by {classifier.name}, {read / seconds:,.0f} a second"]
    if right:
        told.append(_accuracy(right))
    told += untold(classifier.calibration, level)
    for text in told:
        click.echo(printable(text), err=csv_file == STANDARD_OUTPUT)
    for text in unread:
        click.echo(printable(f"not read: {text}"), err=True)
    if unread:
        sys.exit(EXIT_UNREADABLE)


def judged(
    classifier: TrackedClassifier,
    pictures: Pictures,
    *,
    level: float,
    batch: int | None,
    quiet: bool,
) -> Iterator[tuple[PictureFile, Answer, Verdict | None]]:
    """Classify files; one that cannot be read has no verdict.

    Args:
        classifier: It judges.
        pictures: The files.
        level: From which p on a picture is unknown.
        batch: How many at once; None for as many as are fast.
        quiet: Whether nothing is printed meanwhile, so that how many are done may be shown in a
            terminal; else only if standard output goes elsewhere.
    """
    from rich.console import Console
    from rich.progress import Progress

    from benchmark.classifier.verdict import judge

    console = Console(stderr=True)
    is_live = console.is_interactive and sys.stderr.isatty()
    shows = is_live and (quiet or not sys.stdout.isatty())
    answers = classifier.stream((file.path for file in pictures.files), batch)
    with (
        warnings.catch_warnings(),
        Progress(console=console, disable=not shows, transient=True) as bar,
    ):
        warnings.simplefilter("ignore")  # Pillow's, of odd data beside the pixels
        for file, answer in zip(bar.track(pictures.files, description=""), answers, strict=True):
            verdict = None
            if not answer.reason:
                told = answer.probabilities, classifier.class_names, classifier.calibration
                verdict = judge(*told, level)
            yield file, answer, verdict


def is_predictions(beginning: bytes) -> bool:
    """Whether a file is a table of ours."""
    return beginning.startswith(",".join(_COLUMNS).encode())


def _accuracy(right: list[bool]) -> str:
    from benchmark.ranking.statistics import wilson_interval

    share = sum(right) / len(right)
    low, high = wilson_interval(share, len(right))
    return (
        f"accuracy {share:.2%} (95% interval {low:.2%} to {high:.2%}) of the {len(right):,} in "
        "folders named after a class; it says little about pictures that it was trained on"
    )


@contextmanager
def _rows(csv_file: Path | None, top: int) -> Iterator[Any]:
    """Open where rows go to; gives what writes one."""
    if csv_file is None:
        yield lambda name, verdict: click.echo(printable(_line(name, verdict, top)))
        return
    if csv_file == STANDARD_OUTPUT:
        yield _csv_writer(sys.stdout, top)
        return
    from benchmark.processes.leftovers import rewriting

    with rewriting(csv_file) as path, path.open("w", newline="", encoding="utf-8") as file:
        yield _csv_writer(file, top)


def _csv_writer(file: IO[str], top: int) -> Any:
    """A function that writes a row, below the head that it writes first."""
    writer = csv.writer(file, lineterminator="\n")
    nth = [f"{name}_{place}" for place in range(2, top + 1) for name in ("label", "probability")]
    writer.writerow([*_COLUMNS, *nth, "p_value", "unknown", "possible"])

    def write(name: str, verdict: Verdict) -> None:
        others = [value for one in verdict.ranking[1:top] for value in (one[0], f"{one[1]:.6f}")]
        known: list[str] = ["", "", ""]
        if verdict.possible is not None:
            possible = "; ".join(verdict.possible)
            unknown = "" if verdict.unknown is None else str(verdict.unknown).lower()
            known = [f"{verdict.p_value:.6f}", unknown, possible]
        figures = f"{verdict.probability:.6f}", f"{verdict.margin:.6f}"
        row = [name, verdict.label, *figures, *others, *known]
        writer.writerow([printable(value) for value in row])

    return write


def _line(name: str, verdict: Verdict, top: int) -> str:
    """A row for people."""
    others = ", ".join(f"{label} {share:.1%}" for label, share in verdict.ranking[1:top])
    unknown = "  unknown" if verdict.unknown else ""
    told = f"{name}  {verdict.label} {verdict.probability:.1%}{unknown}"
    return f"{told}  margin {verdict.margin:.1%}" + f"  ({others})" * bool(others)
