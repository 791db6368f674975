"""``bench sweep``: turns names of heads and networks into Optuna studies and leaderboard rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import click
from click.core import ParameterSource

from benchmark.commands.options import FiniteRange, check_executor, executor_options
from benchmark.commands.study_options import StudyOptions, study_options
from benchmark.data.home import home
from registry import heads
from registry.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.execution.launch import Launch, LaunchOptions
    from benchmark.runs.options import RunOptions
    from benchmark.sweep.budget import Budget
    from benchmark.sweep.objective import Target
    from benchmark.sweep.run import Sweep

EXIT_FAILED = 1


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--grid",
    "axes",
    metavar="NAME=VALUES",
    multiple=True,
    help="Try every combination instead: n_estimators=50:600:50, max_depth=4,8,none; repeatable.",
)
@click.option(
    "--space",
    metavar="NAME,NAME",
    help="Vary these settings only, such as n_estimators,max_depth or lr,weight_decay.",
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "random", "qmc", "gp", "grid"]),
    help="Optuna's sampler. [default: tpe, or grid with --grid]",
)
@click.option(
    "--pruner",
    type=click.Choice(["median", "hyperband", "none"]),
    help="Stops poor trials after some trees or epochs. [default: median, or none with --grid]",
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    help="Of each study in all, earlier ones included. [default: 50 of a head, 20 of a network, "
    "or the whole grid; any number with --timeout]",
)
@click.option(
    "--timeout",
    "seconds",
    type=FiniteRange(1),
    metavar="SECONDS",
    help="Of each study: no trial begins after it.",
)
@click.option(
    "--storage",
    metavar="URL|FILE",
    help="Any Optuna storage; of a study that several machines share, a database "
    "(postgresql://...), which is waited for if it is away. [default: files in BENCH_HOME]",
)
@click.option("--status", is_flag=True, help="Show how far the sweeps are, and stop.")
@study_options
@executor_options
def sweep(
    names: tuple[str, ...],
    axes: tuple[str, ...],
    space: str | None,
    sampler: Any,
    pruner: Any,
    trials: int | None,
    seconds: float | None,
    storage: str | None,
    status: bool,
    asked: StudyOptions,
    **how: Unpack[LaunchOptions],
) -> None:
    """Search better settings of NAMES: trees, a head, BACKBONE/HEAD, or a network.

    Each study begins with the head's grid, or the network's settings as they are, and chooses by
    validation accuracy; its best is scored on the test split once. Of the studies of a system,
    bench leaderboard shows the best of those with the most seeds; its --view all, each. The same
    command goes on where an interrupted one stopped, and beside one that runs: they make --trials
    in all.
    """
    if status:
        _show_status(storage)
        return
    only = _searched(names, sampler, axes, space)
    check_executor(**how)

    from benchmark.sweep.names import resolve

    found = resolve(names)
    if axes:
        _check_grid(found, axes)  # before images are decoded

    from benchmark.tracking.connection import check_store
    from benchmark.tracking.store import Store

    check_store(Store(), write=True)
    if storage is not None:
        from benchmark.sweep.storage import check_storage

        check_storage(storage)

    from benchmark.execution.launch import Launch  # heavy: a wrong name is told without it
    from benchmark.sweep.budget import Budget
    from benchmark.sweep.targets import find_targets
    from benchmark.terminal.console import make_console
    from benchmark.terminal.progress import preparing

    console = make_console()
    with preparing(console) as progress:
        study, targets = find_targets(asked.config, found, home(), progress, asked.repeats)
    budget = Budget(
        sampler=sampler or ("grid" if axes else "tpe"),
        pruner=pruner or ("none" if axes else "median"),
        trials=trials,
        timeout=seconds,
        seed=asked.config.seed,
    )
    sweeps = [_sweep(of_seeds, axes, only, budget, storage) for of_seeds in targets]
    launch = Launch(study=study, home=home(), **how)
    sys.exit(_execute(console, launch, sweeps))


def _searched(
    names: Sequence[str], sampler: str | None, axes: Sequence[str], space: str | None
) -> tuple[str, ...]:
    """Check what is to be searched and how; the names of the settings that alone are varied."""
    if not names:
        raise UserError("name what to sweep: bench sweep trees, or bench sweep resnet18-staged")
    if sampler is not None and bool(axes) != (sampler == "grid"):
        if axes:
            raise UserError(f"--grid tries all of its points; leave --sampler {sampler} out")
        raise UserError("--sampler grid goes with axes: --grid n_estimators=50:600:50 ...")
    if axes and space is not None:
        raise UserError("--grid names its axes itself; leave --space out")
    only = tuple(part.strip() for part in space.split(",")) if space is not None else ()
    if not all(only):
        raise UserError(f"--space {space!r} has an empty name; write --space NAME,NAME")
    return only


def _sweep(
    of_seeds: Sequence[Target],
    axes: Sequence[str],
    only: Sequence[str],
    budget: Budget,
    storage: str | None,
) -> Sweep:
    from benchmark.sweep.run import Sweep

    target, *others = of_seeds
    if not (axes or budget.trials or budget.timeout):
        budget = replace(budget, trials=target.trials)
    return Sweep(
        target=target,
        space=target.grid(axes) if axes else target.space(only),
        budget=budget,
        storage=storage,
        home=home(),
        others=tuple(others),
    )


def _check_grid(names: Sequence[str], axes: tuple[str, ...]) -> None:
    from benchmark.sweep.head_target import head_grid

    for head in dict.fromkeys(name.rpartition("/")[2] for name in names):
        if head in {one.name for one in heads}:
            head_grid(head, axes)


def _show_status(storage: str | None) -> None:
    context = click.get_current_context()
    for one in context.command.params:
        typed = context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE
        if typed and one.name not in ("status", "storage"):
            told = one.opts[0] if isinstance(one, click.Option) else "the names"
            raise UserError(f"--status shows all sweeps; leave {told} out")
    _quiet_optuna()

    from benchmark.sweep.status import sweep_states
    from benchmark.sweep.storage import sweeps_folder
    from benchmark.terminal.console import line, make_console
    from benchmark.terminal.tables import show

    console, states = make_console(), sweep_states(sweeps_folder(home(write=False)), storage)
    reasons = states.pop("reason")  # beside which a narrow table has room for nothing else
    show(states, "table", console)
    for study, reason in zip(states["study"], reasons, strict=True):
        if reason:
            last = line(f"the last that failed of {study}: {reason}")
            console.print(last, highlight=False, soft_wrap=True)


def _execute(console: Console, launch: Launch, sweeps: list[Sweep]) -> int:
    _quiet_optuna()

    from benchmark.sweep.display import SweepDisplay
    from benchmark.sweep.targets import sweep_options

    bases = [target.base for sweep in sweeps for target in (sweep.target, *sweep.others)]
    options = sweep_options(launch, bases)
    failed = False
    with launch.tidying({sweep.target.base.context for sweep in sweeps}):
        for sweep in sweeps:
            sweep.open()  # an unreachable storage is told before a backbone is trained
        _run_missing(console, launch, options)
        with launch.hiring() as hire:
            for place, sweep in enumerate(sweeps, start=1):
                with SweepDisplay(console, sweep, f"study {place} of {len(sweeps)}") as display:
                    result = sweep.run(options, display.told, hire)
                display.result(result)
                failed |= not result.is_scored
    console.print(
        "bench leaderboard shows each system's best study, of those with the most seeds "
        "(--view all: every one); bench ui, the trials"
    )
    return EXIT_FAILED if failed else 0


def _run_missing(console: Console, launch: Launch, options: RunOptions) -> None:
    from benchmark.execution.jobs import sharing
    from benchmark.sweep.targets import missing_runs, run_missing
    from benchmark.terminal.console import line
    from benchmark.terminal.progress import ProgressDisplay

    missing = missing_runs(launch.study.plan, options)
    if not len(missing):
        return
    console.print(line(f"Needed first: {', '.join(spec.name for spec in missing)}"))
    options = sharing(options, launch.at_once)
    with ProgressDisplay(console, missing) as display:
        for outcome in run_missing(missing, options, display, launch.make_executor()):
            display.ended(outcome)


def _quiet_optuna() -> None:
    import warnings

    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what it warns of is told in a line
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage")  # it beats by itself here
