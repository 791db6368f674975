"""``bench data``: turns a source of images into tables of what it holds and what is in doubt."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import FOR_PROGRAMS, format_option
from benchmark.commands.outputs import check_file, check_folder, is_page
from benchmark.commands.study_options import classes_at_option, exclude_option, make_config
from benchmark.data.home import home
from registry.errors import UserError
from registry.printable import printable

if TYPE_CHECKING:
    from benchmark.study.config import Config
    from benchmark.terminal.tables import Format

SUREST = 20
"""How many suspicious labels the terminal shows."""


@click.command("data")
@click.argument("source", required=False)
@classes_at_option
@exclude_option
@click.option(
    "--set",
    "settings",
    metavar="data.KEY=VALUE",
    multiple=True,
    help="Override a setting, such as data.min_images=3; repeatable.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write pictures and tables there.",
)
@click.option(
    "--audit",
    "audited",
    is_flag=True,
    help="Look closer: shortcuts, suspicious labels, odd images; with --out also as a page.",
)
@click.option(
    "--fix",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --audit: list copies, images of two classes and blank ones, for --exclude FILE; "
    "with --exclude of the same FILE, add to it.",
)
@click.option(
    "--table",
    "which",
    type=click.Choice(["summary", "classes", "sizes", "findings", "splits"]),
    help="Print this table alone. [default: what people read of them; with --format csv or json "
    "the summary]",
)
@format_option
def data_command(
    source: str | None,
    classes_at: int | None,
    exclude: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    audited: bool,
    fix: Path | None,
    which: str | None,
    format_: Format,
) -> None:
    """Explore SOURCE: classes, image sizes, and findings, such as copies and files left out.

    SOURCE is a folder, a zip or its URL, or kaggle:OWNER/NAME; without it, demo images are shown.
    """
    if other := [one for one in settings if not one.startswith(("data.", "demo."))]:
        raise UserError(f"--set {other[0]}: only settings of data and demo say which images")
    if fix is not None and not audited:
        raise UserError("--fix FILE lists what an audit finds; add --audit")
    if audited and which is not None:
        raise UserError("--table goes without --audit; leave one of them out")
    preset = "study" if source else "quick"  # which the demo is of
    if audited:
        config = make_config(source, preset, settings, classes_at=classes_at, exclude=exclude)
        _audit(config, out, fix, format_)
        return
    from benchmark.data.eda import FILES, SHOWN, TABLES, is_exploration, write_exploration
    from benchmark.data.prepared import prepare
    from benchmark.data.selection import find_images, select_images
    from benchmark.terminal.console import make_console
    from benchmark.terminal.progress import preparing
    from benchmark.terminal.tables import show

    if out is not None:
        check_folder(out, "--out DIR", () if is_exploration(out) else FILES)
    config = make_config(source, preset, settings, classes_at=classes_at, exclude=exclude)
    console = make_console()
    with preparing(console) as progress:
        images = prepare(
            select_images(config, find_images(config, home(), progress)),
            image_size=config.data.size,
            seed=config.data.split_seed,
            home=home(),
            progress=progress,
        )
    shown = SHOWN[:1] if format_ in FOR_PROGRAMS else SHOWN
    for name in [which] if which else shown:
        frame = TABLES[name](images)
        if which or len(frame):
            show(frame, format_, console, title=f"{images.spec.name}: {name}")
    if out is not None:
        write_exploration(images, out)
        _say(f"Pictures and tables are in {out}/", format_)


def _say(sentence: str, format_: Format) -> None:
    click.echo(printable(sentence), err=format_ in FOR_PROGRAMS)


def _check_fix(fix: Path, exclude: str | None) -> bool:
    """Make sure that no list is lost, which may have been edited.

    Returns:
        Whether it is the list of what is left out already, to be added to.
    """
    from benchmark.data.exclusion import is_exclusions

    listed = Path(exclude or "")
    adding = fix.is_file() and listed.is_file() and fix.samefile(listed)
    check_file(fix, "--fix FILE", lambda beginning: adding or is_exclusions(beginning))
    if not adding and fix.is_file() and fix.stat().st_size:
        raise UserError(
            f"{fix} is there, and may have been edited; name another: --fix FILE, or keep its rows "
            f"and add to them: --exclude {shlex.quote(str(fix))}"
        )
    return adding


def _audit(config: Config, out: Path | None, fix: Path | None, format_: Format) -> None:
    from benchmark.audit.inspection import inspect_source
    from benchmark.data.exclusion import write_exclusions
    from benchmark.report.audit_page import FILES, write_audit
    from benchmark.terminal.console import line, make_console
    from benchmark.terminal.progress import preparing
    from benchmark.terminal.tables import show

    if out is not None:
        ours = (out / FILES[0]).is_file() and is_page((out / FILES[0]).read_bytes())
        check_folder(out, "--out DIR", () if ours else FILES)
    adding = fix is not None and _check_fix(fix, config.data.exclude)
    console = make_console()
    with preparing(console) as progress:
        found = inspect_source(config, home(), progress)
    if format_ in FOR_PROGRAMS:
        show(found.table, format_, console)
    else:
        name = found.data.spec.name
        counts = found.counts()
        if counts.empty:
            console.print(line(f"{name}: nothing is in doubt"))
        else:
            show(counts, format_, console, title=f"{name}: findings")
        if len(found.shortcuts):
            show(found.shortcuts, format_, console, title=f"{name}: what tells the class by itself")
        suspicious = found.table[found.table["kind"] == "suspicious label"]
        if len(suspicious):
            surest = suspicious[["name", "label", "other", "sure"]].head(SUREST)
            heading = (
                f"the surest suspicious labels (the probe is right on {found.probe_accuracy:.1%})"
            )
            show(surest.rename(columns={"other": "rather"}), format_, console, title=heading)
    if out is not None:
        write_audit(found, out)
        _say(f"{out / FILES[0]} shows them; tables are beside it", format_)
    if fix is not None:
        rows = found.exclusions()
        write_exclusions(fix, rows, adding=adding)
        more = " more" if adding else ""
        told = (
            f"{fix} lists {len(rows):,}{more} images; look through it, then: --data DIR --exclude"
        )
        _say(f"{told} {shlex.quote(str(fix))}", format_)
