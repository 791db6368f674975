"""``bench catalogue``: turns a collection of pictures into a table and a page by class."""

from __future__ import annotations

import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import classifier_options
from benchmark.commands.outputs import check_file, check_folder, is_page
from benchmark.commands.predict import EXIT_UNREADABLE, batch_option, judged, level_option
from benchmark.data.home import home
from benchmark.data.names import counted, text
from registry.errors import UserError
from registry.printable import listed, printable

if TYPE_CHECKING:
    from benchmark.classifier.collection import Pictures
    from benchmark.classifier.tracked import TrackedClassifier
    from benchmark.data.findings import LeftOut
    from benchmark.report.catalogue import Entry

PAGE, TABLE = "catalogue.html", "catalogue.csv"


@click.command()
@click.argument("paths", metavar="DIR…", nargs=-1, required=True)
@classifier_options
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    default=Path("catalogue"),
    show_default=True,
    help=f"Where to write {PAGE} and {TABLE}.",
)
@click.option(
    "--sort-into",
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="Make a folder for each class there, with links to its pictures. Nothing is moved or "
    "replaced.",
)
@click.option("--copy", is_flag=True, help="With --sort-into: copies in place of links.")
@click.option("--title", metavar="TEXT", help="Heading of the page. [default: names the folder]")
@level_option
@batch_option
def catalogue(
    paths: tuple[str, ...],
    name: str,
    seed: int | None,
    context: str | None,
    out: Path,
    sort_into: Path | None,
    copy: bool,
    title: str | None,
    level: float | None,
    batch: int | None,
) -> None:
    """Catalogue the pictures in DIR: which classes there are, how many, and what is in doubt.

    The page shows the doubtful first, then each class, copies of a picture together. It is one
    file that needs no network; its links lead to the pictures on this machine by full paths. DIR
    may be several folders, zips or files. What cannot be read is listed, and then the exit code is
    1.
    """
    from benchmark.classifier.collection import collect
    from benchmark.classifier.sorting import check_place
    from benchmark.classifier.sorting import sort_into as put

    if copy and sort_into is None:
        raise UserError("--copy goes with --sort-into OUT")
    _check_outputs(out, sort_into)
    pictures = collect(paths, home())
    if sort_into is not None:
        check_place(sort_into, pictures.folders)

    from benchmark.classifier.loading import find_classifier
    from benchmark.classifier.verdict import check_level, untold
    from benchmark.report.catalogue import copies, number_of_classes
    from benchmark.tracking.store import Store

    classifier = find_classifier(Store(), name, seed=seed, context=context)
    level = check_level(classifier.calibration, level)
    entries, places, left_out = _entries(classifier, pictures, level, batch)
    first = copies(entries)
    heading = printable(title or f"Pictures in {listed([*map(_own_name, paths)])}")
    _write(out, heading, classifier.name, entries, first, left_out)
    pictured = f"{counted(len(entries), 'picture')} of "
    pictured += counted(number_of_classes(entries, first), "class")
    doubtful = sum(1 for one in entries if one.doubt)
    lines = [
        f"{pictured}, {doubtful:,} in doubt, by {classifier.name}",
        f"{out / PAGE}, {out / TABLE}",
        *untold(classifier.calibration, level),
    ]
    if sort_into is not None:
        done = put(sort_into, places, copy=copy, temporary=home())
        told = ", ".join(f"{number:,} {how}" for how, number in done.items())
        lines.append(f"{sort_into}: {told}")
    lines += [f"not read: {one.name}: {one.reason}" for one in left_out]
    for line in lines:
        click.echo(printable(line), err=line.startswith("not read: "))
    if left_out:
        sys.exit(EXIT_UNREADABLE)


def _check_outputs(out: Path, sort_into: Path | None) -> None:
    check_folder(out, "--out FOLDER")
    check_file(out / PAGE, "--out FOLDER", is_page)
    check_file(out / TABLE, "--out FOLDER", is_catalogue)
    if sort_into is not None:
        check_folder(sort_into, "--sort-into OUT")


def _own_name(path: str) -> str:
    return text(PurePath(Path(path).resolve().name or path))


def _entries(
    classifier: TrackedClassifier, pictures: Pictures, level: float, batch: int | None
) -> tuple[list[Entry], list[tuple[Path, str]], list[LeftOut]]:
    """Judge pictures: an entry for each, its file with the group of its class, and the unread.

    Raises:
        UserError: None of them can be read.
    """
    from benchmark.data.findings import LeftOut
    from benchmark.report.catalogue import Entry

    entries: list[Entry] = []
    places: list[tuple[Path, str]] = []
    left_out = list(pictures.left_out)
    found = judged(classifier, pictures, level=level, batch=batch, quiet=True)
    for file, answer, verdict in found:
        if verdict is None:
            left_out.append(LeftOut(name=file.name, reason=answer.reason))
        else:
            entries.append(Entry.of(file, answer, verdict, classifier.input))
            places.append((file.path, entries[-1].group))
    if not entries:
        raise UserError(
            f"none of {len(left_out)} files is a picture that can be read: {left_out[0].name}: "
            f"{left_out[0].reason}"
        )
    return entries, places, left_out


def _write(
    out: Path,
    heading: str,
    classifier: str,
    entries: list[Entry],
    first: list[int],
    left_out: list[LeftOut],
) -> None:
    from benchmark.processes.leftovers import rewriting
    from benchmark.report.catalogue import render_catalogue, write_table

    with rewriting(out / TABLE) as path:
        write_table(path, entries, first, left_out)
    page = render_catalogue(heading, classifier, entries, first, left_out)
    with rewriting(out / PAGE) as path:
        path.write_text(page, encoding="utf-8")


def is_catalogue(beginning: bytes) -> bool:
    """Whether a file is a catalogue's table."""
    return beginning.startswith(b"image,class,probability,doubtful")
