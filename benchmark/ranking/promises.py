"""Turns a file of promised accuracies and a leaderboard into what falls below its promise."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from registry.errors import UserError

BOUNDS = ("at_least", "test_accuracy_low", "test_accuracy")
"""Columns that promise a test accuracy, a share of one; of several, the first counts."""
NAMES = ("run", "system")
_KEYS = ("weights", "context")
"""Columns that say besides which row is meant."""
_ROUNDING = 1e-9
"""By so much a figure that was written and read again may differ."""
_WANTED = (
    "a CSV or JSON file of rows with run or system, and at_least or test_accuracy: "
    "bench leaderboard --csv FILE writes one"
)


def read_promises(file: Path) -> pd.DataFrame:
    """Read what a file promises.

    Args:
        file: An export of the leaderboard, or columns of it: `NAMES`, ``weights``, ``context`` and
            `BOUNDS`.

    Returns:
        ``system`` or ``run``, ``weights`` and ``context`` where the file has them, and
        ``promised``, a share of one.

    Raises:
        UserError: It cannot be read, or promises nothing.
    """
    try:
        text = file.read_text(encoding="utf-8")
        is_json = text.lstrip().startswith(("[", "{"))
        texts = dict.fromkeys((*NAMES, *_KEYS), str)
        table = pd.DataFrame(json.loads(text)) if is_json else pd.read_csv(file, dtype=texts)
    except (OSError, ValueError) as error:
        raise UserError(f"--check {file} cannot be read; it takes {_WANTED}") from error
    names = [name for name in NAMES if name in table]
    bounds = [name for name in BOUNDS if name in table]
    if not names or not bounds or table.empty:
        raise UserError(f"--check {file} promises nothing; it takes {_WANTED}")
    keys = ["system"] if "system" in table else ["run"]
    keys += [name for name in _KEYS if name in table]
    if not table[keys].map(lambda name: isinstance(name, str)).all(axis=None):
        raise UserError(f"--check {file}: {', '.join(keys)} are texts, in each row")
    numbers = table[bounds].apply(pd.to_numeric, errors="coerce")
    given = table[bounds].notna() & (table[bounds].astype(str) != "")
    promised = numbers.bfill(axis=1).iloc[:, 0]
    others = [name for name in bounds if (given[name] & numbers[name].isna()).any()]
    if others or not promised.between(0, 1).all():
        wrong = (others or bounds)[0]
        raise UserError(f"--check {file}: {wrong} is a share, from 0 to 1, in each row")
    return table[keys].assign(promised=promised)


def broken(promises: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Say which promises a leaderboard does not keep.

    A promise of a context that is among the table's, by its id or how that begins, is of that one
    alone, any other of all.

    Args:
        promises: As `read_promises` gives them.
        table: As `benchmark.ranking.tables.together` gives it.
    """
    keys = [name for name in promises.columns if name not in ("promised", "context")]
    firsts = table.drop_duplicates([*keys, "context"])
    lines = []
    for row in promises.to_dict("records"):
        name, promised = row[keys[0]], f"promised {row['promised']:.2%}"
        there = firsts[firsts["context"].str.startswith(row.get("context") or "-")]
        rows = firsts if there.empty else there
        found = rows[(rows[keys] == [row[key] for key in keys]).all(axis=1)]
        if found.empty:
            lines.append(f"missing: {name}, {promised}")
        for measured, id_ in zip(found["test_accuracy"], found["context"], strict=True):
            if not measured >= row["promised"] - _ROUNDING:
                where = f" in {id_[:8]}" if firsts["context"].nunique() > 1 else ""
                lines.append(f"below: {name}, {measured:.2%}{where}, {promised}")
    return lines
