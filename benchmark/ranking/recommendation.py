"""Turns ranked systems into two lines: what to take, and what the test split can tell."""

from __future__ import annotations

import pandas as pd

from benchmark.ranking.systems import BETTER, TIED, Ranking, Row
from registry.printable import listed, rounded

WANTED = 0.02
"""The difference that one would like a test split to show: two points."""


def title_of(row: Row) -> str:
    """Name of a row's system, also of a tuned one."""
    return f"{row['system']} (tuned)" if row["tuned"] else str(row["system"])


def recommendation(ranking: Ranking) -> list[str]:
    """Say the best, what is tied with it, and the fastest of these; then what more would show."""
    best = ranking.best
    if best is None or pd.isna(best["test_accuracy_low"]):
        return []
    return [_choice(ranking, best), _worth(ranking)]


def _choice(ranking: Ranking, best: Row) -> str:
    interval = f"{100 * best['test_accuracy_low']:.1f} to {100 * best['test_accuracy_high']:.1f}%"
    told = f"Best by validation: {title_of(best)}, "
    told += f"{best['test_accuracy']:.1%} of the test images right ({interval})."
    better = [title_of(row) for row in ranking.rows(BETTER)]
    tied = [title_of(row) for row in ranking.rows(TIED)]
    if better:
        told += f" Better on the test images, which do not choose: {listed(better)}."
    if tied:
        told += f" Tied with it: {listed(tied)}."
        told += _fastest(ranking)
    elif len(ranking.rows("worse")) == len(ranking.table) - 1 > 0:
        told += " All others are worse."
    return told


def _fastest(ranking: Ranking) -> str:
    row = ranking.cheapest
    if row is None:
        return ""
    cost = f"{rounded(row['inference_ms'], 2)} ms an image"
    return f" Among the fastest of these: {title_of(row)} ({cost})."


def _worth(ranking: Ranking) -> str:
    from benchmark.ranking.spread import RECIPE_SEEDS
    from benchmark.ranking.statistics import images_needed

    parts = []
    fewest = min(map(len, ranking.table["seeds"]))
    if not pd.isna(ranking.smallest):
        more = images_needed(ranking.smallest, ranking.images, WANTED)
        shown = f"differences to it from some {100 * ranking.smallest:.1f} points on (one alone, "
        shown += "in four of five times, before Holm's correction)"
        if ranking.smallest > 1:
            shown = "no difference to it"
        told = f"{ranking.images:,} test images show {shown}; 2 points take some "
        told += f"{rounded(more, 2)} images."
        if fewest >= RECIPE_SEEDS:
            told += " The spread of seeds comes on top."
        parts.append(told)
    if fewest >= RECIPE_SEEDS:
        parts.append(f"This is said of the recipes ({fewest} seeds).")
    else:
        parts.append(
            f"This is said of these trained classifiers; of their recipes from {RECIPE_SEEDS} "
            f"seeds on (--seeds {RECIPE_SEEDS})."
        )
    return " ".join(parts)
