"""``bench run``: turns names of systems into tracked runs and a leaderboard."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Unpack

import click

from benchmark.commands.options import FiniteRange, check_executor, executor_options
from benchmark.commands.study_options import StudyOptions, study_options
from benchmark.data.home import home
from registry.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.execution.launch import Launch, LaunchOptions
    from benchmark.runs.options import Outcome

EXIT_FAILED = 1
BEGINS_ANEW = "begins anew"
"""Key of click's ``meta``: whether the same command would repeat what it has made."""


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--all",
    "run_all",
    is_flag=True,
    help="Every system of the study, of what is beyond it, and of plugins.",
)
@study_options
@click.option(
    "--save-weights",
    type=click.Choice(["all", "best", "needed", "none"]),
    default="best",
    show_default=True,
    help="Whose weights to keep in MLflow. needed: those that heads build on; best: those of the "
    "best row by validation accuracy, too, for bench predict.",
)
@click.option("--explain/--no-explain", default=True, help="Draw where the classifiers looked.")
@executor_options
@click.option(
    "--timeout",
    type=FiniteRange(0, min_open=True),
    metavar="SECONDS",
    help="End a run that takes longer: its process is ended, and its row says why.",
)
@click.option(
    "--checkpoint",
    type=FiniteRange(0),
    metavar="SECONDS",
    default=30,
    show_default=True,
    help="After an epoch, keep what an interrupted network goes on from, unless that was done so "
    "recently; 0: after each.",
)
@click.option("--force", is_flag=True, help="Repeat runs that are complete, each time.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
def run(
    names: tuple[str, ...],
    run_all: bool,
    asked: StudyOptions,
    force: bool,
    dry_run: bool,
    **how: Unpack[LaunchOptions],
) -> None:
    """Run the systems that NAMES match, or all, and show the leaderboard.

    A name is one that `bench ls systems` lists, a glob such as 'resnet18*', or MODEL,
    MODEL-staged, MODEL-frozen and MODEL-frozen/HEAD, as bench ls models says of each model, with
    any head, timm:NAME included.

    What is complete for the same data and settings is not run again: after an interruption, the
    same command goes on where it stopped.
    """
    if names and run_all:
        raise UserError("--all names everything; leave it out, or type: bench run --all")
    if not names and not run_all:
        raise UserError("name what to run, or write: bench run --all (bench ls systems lists it)")
    check_executor(**how)
    click.get_current_context().meta[BEGINS_ANEW] = force

    from benchmark.study.suite import find_systems, systems

    chosen = find_systems(names) if names else systems()
    repeats, config = asked.repeats, asked.config

    from benchmark.tracking.connection import check_store
    from benchmark.tracking.store import Store

    check_store(Store(), write=not dry_run)

    from benchmark.audit.shortcuts import shortcut_warnings
    from benchmark.data.cache import without_writing
    from benchmark.execution.planning import plan_study  # heavy: mistakes are told without it
    from benchmark.terminal.console import make_console
    from benchmark.terminal.planned import print_header, print_plan
    from benchmark.terminal.progress import preparing, print_left

    console = make_console()
    kept = home(write=not dry_run)
    place = without_writing(kept) if dry_run else nullcontext(kept)
    with preparing(console) as progress, place as folder_of_images:
        study = plan_study(config, chosen, folder_of_images, progress, repeats)
        shortcuts = shortcut_warnings(study.data, study.examined, folder_of_images)

    from benchmark.execution.launch import Launch

    launch = Launch(study=study, home=kept, force=force, **how)
    print_header(console, launch, shortcuts)
    if dry_run:
        print_plan(console, launch)
        return
    outcomes: list[Outcome] = []
    try:
        sys.exit(_execute(console, launch, outcomes))
    finally:  # also if it is interrupted
        if force:
            print_left(console, study.plan, outcomes)


def _execute(console: Console, launch: Launch, outcomes: list[Outcome]) -> int:
    """Run the plan, gathering the outcomes, and show the leaderboard; gives the exit code."""
    from benchmark.ranking.runs import fetch
    from benchmark.ranking.systems import rank_systems
    from benchmark.terminal.leaderboard import show_ranking
    from benchmark.terminal.progress import ProgressDisplay, print_end

    start = time.monotonic()
    display = ProgressDisplay(console, launch.study.plan, launch.forecast, launch.complete)
    with display:
        outcomes.extend(launch.execute(display))
    seconds = time.monotonic() - start
    context = next((o.spec.context for o in outcomes if not o.spec.pretraining), "")
    try:
        if any(o.status == "completed" and not o.spec.pretraining for o in outcomes):
            runs = fetch(launch.options.store, [context])
            ranking = rank_systems(launch.options.store, runs)
            show_ranking(ranking, launch.options.store, "table", console)
    finally:  # also if the store is away
        print_end(console, outcomes, seconds)
    statuses = {outcome.status for outcome in outcomes}
    return EXIT_FAILED if statuses & {"failed", "unsent"} or statuses == {"skipped"} else 0
