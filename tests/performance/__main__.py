"""Measures bench beside what one would otherwise write, in turns, each in fresh processes.

    uv run python -m tests.performance [CASE ...] [--data DIR] [--repeats N] [--json FILE]
    uv run python -m tests.performance [CASE ...] --against FILE     exit code 1 if it is slower now
    uv run python -m tests.performance --table FILE                  a report as README's table

The cases, in the order in which they are run:

{cases}

The ratio tells how many times faster than the plain loop (or the row with ratio 1) a side was, by
repeat: the median, and the least and the most. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.performance.measure import (
    CaseSkipped,
    Comparison,
    Options,
    Side,
    SideFailed,
    call,
    run_once,
    show,
)
from tests.performance.stored import BOUND, Report, UnlikeReport, read_report

CASES = (
    "startup",
    "leaderboard",
    "tracking",
    "inference",
    "frozen",
    "trees",
    "boosting",
    "training",
    "augmentation",
    "limits",
    "growth",
    "peer",
    "seeds",
    "jobs",
    "study",
)
FULL_REPEATS, SMALL_REPEATS = 5, 1


def describe(case: str) -> str:
    """What a case measures: the first line of its module's docstring."""
    source = Path(__file__).with_name(f"{case}.py").read_text()
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    cases = "\n".join(f"    {case:<12} {describe(case)}" for case in CASES)
    parser = argparse.ArgumentParser(
        prog="python -m tests.performance",
        description=(__doc__ or "").format(cases=cases),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="which to run [default: all]")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="tiny sizes: says nothing of speed")
    size.add_argument(
        "--full", action="store_true", help="study as published, on all of --data: wants a GPU"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="images [default: generated]")
    parser.add_argument("--repeats", type=int, metavar="N", help="of each side [default: 5]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help=f"fail if a ratio has fallen by more than {BOUND:.0%} since that report",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="print a report as Markdown")
    parser.add_argument("--timm-script", type=Path, metavar="PATH", help="train.py, for peer")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.cases) - set(CASES):
        parser.error(f"no case is called {', '.join(sorted(unknown))}; see --help")
    if chosen.full and chosen.data is None:
        parser.error("--full takes its images from a folder; add --data DIR")
    for path in (chosen.data, chosen.timm_script, chosen.against, chosen.table):
        if path is not None and not path.exists():
            parser.error(f"there is no {path}")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Run the cases.

    Returns:
        The exit code: 1 if a side failed, or became slower; 2 for a file that is no report.
    """
    chosen = parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else 200)
    try:
        if chosen.table:
            console.out(read_report(chosen.table).markdown(), highlight=False)
            return 0
        before = read_report(chosen.against) if chosen.against else None
        report, failed = measure_cases(chosen, console)
        worse = report.told_worse(before) if before else []
    except UnlikeReport as error:
        console.print(str(error), style="red", markup=False)
        return 2
    for line in worse:
        console.print(f"slower: {line}", style="red", markup=False)
    return int(failed or bool(worse))


def measure_cases(chosen: argparse.Namespace, console: Console) -> tuple[Report, bool]:
    """Run the chosen cases, printing each; whether a side failed stands beside the report.

    The report is written after each comparison: some cases take most of an hour.
    """
    machine = run_once(Side(name="machine", command=call("machine:describe"))).figures
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), style="dim")
    found: dict[str, list[Comparison]] = {}
    report = Report(machine=machine, small=chosen.small, found=found)
    failed = False
    with tempfile.TemporaryDirectory(prefix="performance-") as folder:
        options = Options(
            small=chosen.small,
            full=chosen.full,
            device=machine["device"],
            repeats=chosen.repeats or (SMALL_REPEATS if chosen.small else FULL_REPEATS),
            data=chosen.data and chosen.data.resolve(),
            folder=Path(folder),
            timm_script=chosen.timm_script and chosen.timm_script.resolve(),
        )
        for case in chosen.cases or CASES:
            found[case] = []
            try:
                for comparison in importlib.import_module(f"tests.performance.{case}").run(options):
                    console.print(f"measured: {case}, {comparison.work}", style="dim")
                    found[case].append(comparison)
                    if chosen.json:
                        report.write(chosen.json)
            except CaseSkipped as error:
                console.print(f"{case} skipped: {error}", style="yellow", markup=False)
            except SideFailed as error:
                failed = True
                console.print(f"{case}: {error}", style="red", markup=False)
            if found[case]:
                show(describe(case), found[case], console)
    return report, failed


if __name__ == "__main__":
    sys.exit(main())
