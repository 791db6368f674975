"""``bench register``: turns a trained classifier into a version of a registered MLflow model."""

from __future__ import annotations

import re
import shlex

import click

from benchmark.commands.options import seed_and_context_options
from registry.errors import UserError
from registry.printable import printable


@click.command()
@click.argument("name", default="best")
@seed_and_context_options
@click.option(
    "--as", "model", metavar="MODEL", help="Name of the registered model. [default: the data's]"
)
@click.option(
    "--force",
    is_flag=True,
    help="Promote it although the test shows it worse, or cannot compare them.",
)
def register(
    name: str, seed: int | None, context: str | None, model: str | None, force: bool
) -> None:
    """Register the classifier NAME with MLflow and make it the champion of its model.

    NAME is a run, a row of bench leaderboard by its system, or best: of the newest runs, by
    validation accuracy. It is promoted if, by the paired test, it is better than the champion on
    the same test images or tied with it. mlflow models serve and mlflow.pyfunc take it from there:
    a column image of picture files' bytes, and the parameter top.
    """
    if model is not None and not re.fullmatch(r"(?!\.*$)[^/:@\ud800-\udfff]+", model.strip()):
        raise UserError(
            f"--as {model!r}: a model's name is text without /, : and @, and neither empty nor dots"
        )

    from benchmark.classifier.completed import find_trained
    from benchmark.classifier.promotion import register
    from benchmark.tracking.store import Store

    store = Store()
    run = find_trained(store, name, seed=seed, context=context)
    model = model or re.sub(r"[/:@]", "-", run.data.tags.get("data", "")) or "classifier"
    found = register(store, run, model, force=force)
    click.echo(printable(f"models:/{found.name}@champion is version {found.version}: {found.told}"))
    if found.is_new:
        champion = shlex.quote(f"models:/{found.name}@champion")
        is_told = str(store) == store.uri  # with *** for its password it reaches nothing
        setting = f"MLFLOW_TRACKING_URI={shlex.quote(store.uri)} " if is_told else ""
        click.echo(
            printable(
                f"bench predict PATH --model {champion}, or: {setting}mlflow models serve "
                f"-m {champion} --env-manager local"
            )
        )
