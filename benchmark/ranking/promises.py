"""Turns a file of promised accuracies and a leaderboard into what falls below its promise."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from registry.errors import UserError

BOUNDS = ("at_least", "test_accuracy_low", "test_accuracy")
"""Columns that promise a test accuracy, a share of one; of several, the first counts."""
NAMES = ("run", "system")
_WANTED = (
    "a CSV or JSON file of rows with run or system, and at_least or test_accuracy: "
    "bench leaderboard --csv FILE writes one"
)


def read_promises(file: Path) -> pd.DataFrame:
    """Read what a file promises.

    Args:
        file: An export of the leaderboard, or columns of it: `NAMES`, ``weights`` and `BOUNDS`.

    Returns:
        ``system`` or ``run``, ``weights`` where the file has them, and ``promised``, a share of
        one.

    Raises:
        UserError: It cannot be read, or promises nothing.
    """
    try:
        text = file.read_text(encoding="utf-8")
        is_json = text.lstrip().startswith(("[", "{"))
        table = pd.DataFrame(json.loads(text)) if is_json else pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise UserError(f"--check {file} cannot be read; it takes {_WANTED}") from error
    names = [name for name in NAMES if name in table]
    bounds = [name for name in BOUNDS if name in table]
    if not names or not bounds or table.empty:
        raise UserError(f"--check {file} promises nothing; it takes {_WANTED}")
    keys = ["system"] if "system" in table else ["run"]
    keys += ["weights"] if "weights" in table else []
    promised = table[bounds].apply(pd.to_numeric, errors="coerce").bfill(axis=1).iloc[:, 0]
    if not promised.between(0, 1).all():
        raise UserError(f"--check {file}: {bounds[0]} is a share, from 0 to 1, in each row")
    return table[keys].assign(promised=promised)


def broken(promises: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Say which promises a leaderboard does not keep.

    Args:
        promises: As `read_promises` gives them.
        table: As `benchmark.ranking.tables.summary` gives it.
    """
    keys = [name for name in promises.columns if name != "promised"]
    found = table.drop_duplicates(keys).set_index(keys)["test_accuracy"]
    lines = []
    for row in promises.to_dict("records"):
        key = tuple(row[name] for name in keys) if len(keys) > 1 else row[keys[0]]
        name, promised = row[keys[0]], f"promised {row['promised']:.2%}"
        if key not in found.index:
            lines.append(f"missing: {name}, {promised}")
        elif not (measured := float(found.loc[key])) >= row["promised"]:
            lines.append(f"below: {name}, {measured:.2%}, {promised}")
    return lines
