"""The command line: ``bench``."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import click

from benchmark.commands.catalogue import catalogue
from benchmark.commands.compare import compare
from benchmark.commands.data import data_command
from benchmark.commands.examples import epilog
from benchmark.commands.explain import explain
from benchmark.commands.export import export
from benchmark.commands.leaderboard import leaderboard
from benchmark.commands.ls import ls_command
from benchmark.commands.pick import pick
from benchmark.commands.predict import predict
from benchmark.commands.register import register
from benchmark.commands.report import report
from benchmark.commands.run import BEGINS_ANEW, run
from benchmark.commands.serve import serve
from benchmark.commands.sweep import sweep
from benchmark.commands.ui import ui
from benchmark.data.home import home
from registry.errors import PluginError, UserError, masked, of_the_machine
from registry.printable import printable

FAULT = (
    "This is a fault of bench, not yours. Please report these lines, what you typed and what "
    "bench --version says."
)
EXIT_FAULT = 1
EXIT_USAGE = 2


class WrongCommandLine(click.UsageError):
    """What click says of a command line, in one line as all mistakes."""

    def __init__(self, error: click.UsageError, command: str) -> None:
        told = " ".join(error.format_message().split()).rstrip(".")
        told = told.replace("is not a valid integer range", "is no whole number")
        told = told.replace("is not a valid float range", "is no number")
        super().__init__(f"{told}; see: {command} --help", error.ctx)

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it."""
        click.echo(f"Error: {printable(self.message)}", file, err=file is None)


class BenchGroup(click.Group):
    """Shows what the user can mend as one line, and a fault of our own with its traceback."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read what stands before the command."""
        try:
            return super().make_context(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise WrongCommandLine(error, "bench") from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command; nothing that is typed for it may be empty, which is often a variable.

        As a path it would be the current folder, as an address that of all networks.
        """
        for before, typed in pairwise(["", *args]):
            option, is_long, value = typed.partition("=")
            if not typed or (is_long and not value and option.startswith("--")):
                named = option or (before if before.startswith("-") else "an argument")
                raise click.UsageError(f"{named} is empty; write a value, or leave it out")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        from benchmark.processes.leftovers import remove_unfinished, temporary_folder
        from benchmark.processes.signals import Interrupted, interrupted_by_signals
        from benchmark.tracking.store import ENV_FILE, MAY_SET, load_environment

        _open_streams()
        try:
            if ignored := load_environment():
                names = printable(", ".join(ignored))
                click.echo(f"{ENV_FILE} {MAY_SET}, not {names}", err=True)
            # What is started takes no module from the folder that it is started in.
            os.environ["PYTHONSAFEPATH"] = "1"
            with interrupted_by_signals(), temporary_folder(), _warnings_shown():
                place = home(write=False)  # whether it can be written in is said by who has to
                if os.access(place, os.W_OK):
                    for folder in place.glob("*"):
                        remove_unfinished(folder)
                result = super().invoke(ctx)
                sys.stdout.flush()  # a reader that has gone is noticed here, not at the very end
                return result
        except Interrupted as stop:
            resumes = ctx.invoked_subcommand in ("run", "sweep") and not ctx.meta.get(BEGINS_ANEW)
            what_next = ". The same command goes on where this one stopped." if resumes else ""
            click.echo(f"Interrupted ({stop}){what_next}", err=True)
            ctx.exit(stop.exit_code)
        except click.UsageError as error:
            known = ctx.invoked_subcommand in self.commands
            command = f"bench {ctx.invoked_subcommand}" if known else "bench"
            raise WrongCommandLine(error, command) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            ctx.exit(_tell(error, with_traceback=ctx.params["traceback"]))


def _open_streams() -> None:
    r"""Open what of the standard streams is closed: the next file would take its place.

    A character that the encoding of standard output lacks is written as on standard error,
    ``\u2020``: other than a question mark, it makes no two names of a table the same.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _tell(error: Exception, *, with_traceback: bool) -> int:
    """Show an error; gives the exit code."""
    error = of_the_machine(error) or error
    told = isinstance(error, UserError | PluginError)
    if with_traceback or not told:
        _print_traceback()
    if not told:
        click.echo(FAULT, err=True)
        return EXIT_FAULT
    click.echo(f"Error: {printable(masked(' '.join(str(error).split())))}", err=True)
    if isinstance(error, UserError):
        return EXIT_USAGE
    if not with_traceback:
        click.echo("bench --traceback COMMAND … shows where", err=True)
    return EXIT_FAULT


def _print_traceback() -> None:
    click.echo(printable(masked(traceback.format_exc()), keep="\n"), err=True, nl=False)


class _Lines(logging.Handler):
    """Shows what is logged as lines of standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line."""
        kind = f"{record.levelname.capitalize()}: " if record.levelno > logging.INFO else ""
        told = printable(f"{kind}{record.getMessage()}")
        if sys.stderr.isatty():  # click would pass by live lines, which then wipe it off
            sys.stderr.write(f"{told}\n")
        else:
            click.echo(told, err=True)


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """Show what our packages tell and warn of while the ``with`` block runs."""
    handler = _Lines(logging.INFO)
    loggers = [logging.getLogger(name) for name in ("benchmark", "registry")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)


@click.group(cls=BenchGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--traceback", is_flag=True, help="Show where an error comes from.")
@click.version_option(package_name="classifier-bench")
def main(traceback: bool) -> None:
    """Benchmark image classifiers on any folder of images, tracked in MLflow."""


for command in (
    run,
    sweep,
    leaderboard,
    compare,
    report,
    pick,
    predict,
    explain,
    catalogue,
    register,
    export,
    serve,
    data_command,
    ls_command,
    ui,
):
    assert command.name is not None
    assert command.help is not None
    command.epilog = epilog(command.name)
    command.short_help = " ".join(command.help.partition("\n\n")[0].split())  # folded, not cut
    main.add_command(command)


if __name__ == "__main__":
    main()
