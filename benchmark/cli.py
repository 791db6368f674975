"""The command line: ``bench``. Bodies are thin, and import what is heavy themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from benchmark.config import Config
    from benchmark.tables import Format

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class BenchGroup(click.Group):
    """Shows errors that the user can mend as one line, with exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        from benchmark.tracking import load_environment

        try:
            load_environment()
            return super().invoke(ctx)
        except ValueError as error:
            click.echo(f"Error: {' '.join(str(error).split())}", err=True)
            ctx.exit(2)


@click.group(cls=BenchGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="classifier-bench")
def main() -> None:
    """Benchmark image classifiers on any folder of images, tracked in MLflow."""


def home() -> Path:
    """The folder for decoded images and generated data: BENCH_HOME, or .bench here."""
    return Path(os.environ.get("BENCH_HOME", ".bench"))


def make_console() -> Console:
    """A console as wide as the terminal, and wide where there is none."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return Console(width=160)
    return console


def make_config(
    data: str | None, preset: str | None, settings: tuple[str, ...], **chosen: Any
) -> Config:
    """Apply the command line's options to a preset: ``quick`` without data, else ``study``."""
    from benchmark.config import override
    from benchmark.presets import preset as make_preset

    chosen["data.source"] = data
    given = [f"{key}={value}" for key, value in chosen.items() if value is not None]
    return override(make_preset(preset or ("study" if data else "quick")), [*settings, *given])


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that make a configuration."""
    for option in (
        click.option(
            "--set",
            "settings",
            metavar="KEY=VALUE",
            multiple=True,
            help="Override a setting, such as train.epochs=5; repeatable.",
        ),
        click.option(
            "--preset", metavar="NAME", help="study or quick. [default: quick without --data]"
        ),
        click.option(
            "--data",
            metavar="DIR",
            help="Folder or zip with a folder for each class, or kaggle:OWNER/NAME. "
            "[default: generated demo images]",
        ),
    ):
        command = option(command)
    return command


format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "markdown", "json"]),
    default="table",
    show_default=True,
    help="How to print the table.",
)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--all", "run_all", is_flag=True, help="Every system of the study and of plugins.")
@config_options
@click.option(
    "--weights",
    metavar="imagenet|demo|DIR",
    help="Pretrained weights for fine-tuning; DIR holds files of ImageNet weights.",
)
@click.option("--seed", type=click.IntRange(0), help="Of split, weights, batches and trees.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1 or auto.")
@click.option(
    "--save-weights",
    type=click.Choice(["all", "needed", "none"]),
    default="needed",
    show_default=True,
    help="Whose weights to keep in MLflow; needed: those that tree heads build on.",
)
@click.option("--explain/--no-explain", default=True, help="Draw Grad-CAM and ViT attention.")
@click.option("--force", is_flag=True, help="Repeat runs that are complete.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
def run(
    names: tuple[str, ...],
    run_all: bool,
    data: str | None,
    preset: str | None,
    settings: tuple[str, ...],
    weights: str | None,
    seed: int | None,
    device: str,
    save_weights: Any,
    explain: bool,
    force: bool,
    dry_run: bool,
) -> None:
    """Run the systems that NAMES match, or all, and show the leaderboard.

    A name is one that `bench ls systems` lists, a glob such as 'resnet18*', or MODEL,
    MODEL-staged, MODEL-frozen and MODEL-frozen/HEAD with any model and head, timm:NAME included.

    What is complete for the same data and settings is not run again: after an interruption, the
    same command goes on where it stopped.
    """
    if bool(names) == run_all:
        raise ValueError("name what to run, or write: bench run --all (bench ls systems lists it)")
    folder = None
    if weights is not None and weights not in ("imagenet", "demo"):
        folder = Path(weights)
        if not folder.is_dir():
            raise ValueError(f"--weights {weights} is no folder; write imagenet, demo or DIR")
        weights = "imagenet"
    config = make_config(data, preset, settings, weights=weights, seed=seed)

    from benchmark.launch import Launch
    from benchmark.planning import plan_study
    from benchmark.terminal import decoding, print_header, print_plan

    console = make_console()
    with decoding(console) as progress:
        study = plan_study(config, names, home(), progress)
    launch = Launch(
        study=study,
        home=home(),
        device=device,
        weights_folder=folder,
        save_weights=save_weights,
        explain=explain,
    )
    print_header(console, study, launch.options)
    if dry_run:
        print_plan(console, launch)
        return
    sys.exit(_execute(console, launch, force=force))


def _execute(console: Console, launch: Any, *, force: bool) -> int:
    from benchmark.leaderboard import fetch, summary
    from benchmark.tables import show
    from benchmark.terminal import ProgressDisplay, print_end

    outcomes = []
    try:
        with ProgressDisplay(console, launch.study.plan) as display:
            for outcome in launch.execute(display, force=force):
                display.ended(outcome)
                outcomes.append(outcome)
    except KeyboardInterrupt:
        console.print("\nInterrupted. The same command goes on where this one stopped.")
        return EXIT_INTERRUPTED
    context = next((o.spec.context for o in outcomes if not o.spec.pretraining), "")
    if any(o.status == "completed" and not o.spec.pretraining for o in outcomes):
        runs = fetch(launch.options.store)
        show(summary(runs[runs["context"] == context]), "table", console)
    print_end(console, outcomes)
    return EXIT_FAILED if any(o.status == "failed" for o in outcomes) else 0


@main.command()
@click.option(
    "--view",
    type=click.Choice(["summary", "trees", "all"]),
    default="summary",
    show_default=True,
    help="The study's summary, its tree heads in both experiments, or every run.",
)
@click.option(
    "--context",
    metavar="ID",
    help="Which data and settings, or all. [default: those of the newest run]",
)
@click.option("--csv", "csv_file", metavar="FILE", help="Write the view to a file, too.")
@format_option
def leaderboard(view: str, context: str | None, csv_file: str | None, format_: Format) -> None:
    """Rank the completed runs, from MLflow."""
    import pandas as pd

    from benchmark.leaderboard import VIEWS, choose_contexts, fetch
    from benchmark.tables import show
    from benchmark.terminal import print_other_contexts
    from benchmark.tracking import Store

    console = make_console()
    runs = fetch(Store())
    chosen, others = choose_contexts(runs, context)
    shown = []
    for one in chosen:
        frame = VIEWS[view](runs[runs["context"] == one.id])
        frame = frame.assign(data=one.title, context=one.id)
        shown.append(frame)
        if format_ in ("table", "markdown"):
            show(frame.drop(columns=["data", "context"]), format_, console, title=one.title)
    everything = pd.concat(shown)
    if format_ in ("csv", "json"):
        show(everything, format_, console)
    elif format_ == "table":
        print_other_contexts(console, others)
    if csv_file:
        everything.to_csv(csv_file, index=False)


@main.command("data")
@click.argument("source", required=False)
@click.option("--out", metavar="DIR", help="Write pictures and tables there.")
@click.option(
    "--table",
    "which",
    type=click.Choice(["sizes", "classes", "findings", "summary"]),
    help="Print this table alone.",
)
@format_option
def data_command(source: str | None, out: str | None, which: str | None, format_: Format) -> None:
    """Explore SOURCE: classes, image sizes, copies, and files that cannot be read.

    SOURCE is a folder, a zip or kaggle:OWNER/NAME; without it, demo images are shown.
    """
    from benchmark.data.eda import TABLES, write_exploration
    from benchmark.data.prepared import prepare
    from benchmark.data.sources import open_source
    from benchmark.tables import show
    from benchmark.terminal import decoding

    config = make_config(source, "study", ())
    console = make_console()
    with decoding(console) as progress:
        images = prepare(
            open_source(config, home()),
            image_size=config.data.image_size,
            seed=config.seed,
            home=home(),
            progress=progress,
        )
    for name in [which] if which else TABLES:
        frame = TABLES[name](images)
        if which or len(frame):
            show(frame, format_, console, title=f"{images.spec.name}: {name}")
    if out:
        write_exploration(images, Path(out))
        console.print(f"Pictures and tables are in {out}/")


@main.command("ls")
@click.argument("what", type=click.Choice(["models", "heads", "systems", "runs", "presets"]))
@config_options
@format_option
def ls_command(
    what: str, data: str | None, preset: str | None, settings: tuple[str, ...], format_: Format
) -> None:
    """List models, heads, systems (with parameter counts), runs or presets.

    Systems are counted at the preset's image size (default: study) and number of classes.
    """
    from benchmark.listing import LISTINGS
    from benchmark.tables import show

    config = make_config(data, preset or "study", settings)
    show(LISTINGS[what](config), format_, make_console())


@main.command()
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
def ui(port: int) -> None:
    """Open MLflow's user interface on this machine, until Ctrl-C."""
    from benchmark.tracking import Store, Tracker, ui_address, ui_command

    tracker = Tracker(Store())
    click.echo(f"MLflow shows the runs at {ui_address(tracker, port)} (stop with Ctrl-C)")
    try:
        sys.exit(subprocess.run(ui_command(port), check=False).returncode)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
