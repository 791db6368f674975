"""Turns the runs of one context into its systems, each compared with the best of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.ranking.answers import correct, groups_of, read_answers
from benchmark.ranking.published import beside_study
from benchmark.tracking.ranks import RANK, write_ranks
from benchmark.tracking.store import Store
from benchmark.tracking.writer import Tracker

logger = logging.getLogger(__name__)
BEST, TIED, BETTER, WORSE = "best", "tied", "better", "worse"
"""Verdicts on a row. The best has the highest validation accuracy, so that the images on which the
others are compared with it did not choose it; one that is not worse on them is tied with it."""
SYSTEM_KEYS = ["system", "group", "weights", "image_size_px", "model", "head"]
Row = Mapping[str, Any]
"""A row of a ranking, by its columns."""
MEANS = (
    "test_accuracy",
    "best_val_accuracy",
    "test_accuracy_unshared",
    "test_top5_accuracy",
    "test_macro_f1",
    "test_log_loss",
    "test_calibration_error",
    "fit_seconds",
    "head_fit_seconds",
    "inference_ms",
)
"""What a row has as the mean of its repeats."""
_OF_THE_BEST = ("run_id", "best_epoch", "epochs_run")
"""What it has of the repeat that is best on validation."""
_OF_ITSELF = ("test_accuracy_low", "test_accuracy_high", "error_images", "error_seeds")
_COMPARED = (
    *_OF_ITSELF,
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "rank_low",
    "rank_high",
)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The systems of one context: what the terminal, the report and MLflow's pages show.

    Attributes:
        table: A row a system, the best first, the others by test accuracy. Of its first repeat, all
            columns of `benchmark.ranking.runs.fetch`, those of `MEANS` as means of the repeats;
            and ``run_ids`` and ``seeds`` (lists, in order), ``seeds_missing`` (that other systems
            have), ``from_sweep``, ``test_images``, ``test_accuracy_low`` and ``_high``,
            ``error_images`` and ``error_seeds`` (standard errors), ``difference`` to the best with
            ``difference_low`` and ``_high``, ``p``, ``p_holm``, ``verdict`` (`BEST`, `TIED`,
            `BETTER`, `WORSE`, or empty where predictions are gone), ``rank_low`` and ``rank_high``,
            and where the study's accuracies stand beside, ``study_difference`` with its bounds and
            ``study_verdict``. Accuracies are shares of one, intervals are of 95%.
        answers: Of each run that kept its predictions, see `benchmark.ranking.answers`.
        smallest: The difference to the best that this test split could have shown, a share of one;
            nan where nothing is compared.
    """

    table: pd.DataFrame
    answers: Mapping[str, pd.DataFrame]
    smallest: float

    @property
    def best(self) -> Row | None:
        """The row with the highest mean validation accuracy; None if no run has one.

        `bench run`, the report, MLflow's pages, and whatever picks a classifier mean this one.
        """
        return next(iter(self.rows(BEST)), None)

    @property
    def leaders(self) -> list[Row]:
        """The best row and those that are not worse on the test split."""
        return self.rows(BEST, TIED, BETTER)

    @property
    def cheapest(self) -> Row | None:
        """Of the `leaders` the one that classifies an image in the least time.

        Of those within a tenth of it, which another measurement may order otherwise, the first.
        """
        timed = [row for row in self.leaders if not pd.isna(row["inference_ms"])]
        least = min((row["inference_ms"] for row in timed), default=0)
        return next((row for row in timed if row["inference_ms"] <= 1.1 * least), None)

    def rows(self, *verdicts: str) -> list[Row]:
        """The rows of some verdicts, in the table's order; without any, all."""
        return [
            {str(name): value for name, value in row.items()}
            for row in self.table.to_dict("records")
            if not verdicts or row["verdict"] in verdicts
        ]

    @property
    def images(self) -> int:
        """How many test images there are; 0 where no run tells."""
        known = self.table["test_images"].dropna()
        return 0 if known.empty else int(known.iloc[0])


def rank_systems(store: Store, runs: pd.DataFrame) -> Ranking:
    """Compare the systems of one context; reads predictions of the chosen runs alone.

    Args:
        store: Where the runs are.
        runs: Of one context, as `benchmark.ranking.runs.fetch` gives them.
    """
    chosen = repeats(runs)
    places = dict(zip(chosen["run_id"], chosen["artifact_uri"], strict=True))
    answers, unread = read_answers(store, places)
    if unread:
        told = "predictions of %d of %d runs cannot be read now, so rows lack their verdict: %s"
        logger.warning(told, len(unread), len(places), next(iter(unread.values())))
    return compare(chosen, answers)


def tag_ranks(store: Store, tracker: Tracker, runs: pd.DataFrame) -> Ranking:
    """Rank the systems of one context, and tag its runs with the places.

    Args:
        store: Where the runs are.
        tracker: Of the store.
        runs: As for `rank_systems`.
    """
    ranking = rank_systems(store, runs)
    # Those that have been repeated since are not among the runs any more.
    query = f"tags.context = '{runs['context'].iloc[0]}' and tags.{RANK} LIKE '%'"
    tagged = {run.info.run_id: run.data.tags[RANK] for run in tracker.search(query)}
    before = dict.fromkeys(runs["run_id"], "") | tagged
    write_ranks(tracker, before, ranking.table["run_ids"])
    return ranking


def compare(chosen: pd.DataFrame, answers: Mapping[str, pd.DataFrame]) -> Ranking:
    """Compare systems by what their runs said of the test images.

    Args:
        chosen: As `repeats` gives them.
        answers: By run id; see `benchmark.ranking.answers`.
    """
    table = _rows(chosen)
    table, smallest = _compared(table, _comparable(table, answers))
    return Ranking(table=beside_study(_ordered(table)), answers=answers, smallest=smallest)


def repeats(runs: pd.DataFrame) -> pd.DataFrame:
    """Choose the runs that stand for each system: the repeats of one setting.

    Of a head's grid, it is the setting with the best mean validation accuracy, of equals the
    first, among those with the most seeds; likewise the best of its sweeps, besides.

    Args:
        runs: Of one context, as `benchmark.ranking.runs.fetch` gives them.

    Returns:
        Rows of ``runs``, with ``from_sweep`` (whether a sweep found the setting) and ``place``
        (which system they stand for), ordered by both place and seed.
    """
    runs = runs.sort_values("started", kind="stable")
    runs = runs.assign(from_sweep=runs["tuned"] != "", setting=runs["run"] + runs["tuned"])
    system = [*SYSTEM_KEYS, "from_sweep"]
    settings = (
        runs.groupby([*system, "setting"], sort=False)
        .agg(
            count=("seed", "nunique"),
            val=("best_val_accuracy", "mean"),
            first=("started", "min"),
        )
        .sort_values(["count", "val", "first"], ascending=[False, False, True], kind="stable")
        .reset_index()
        .drop_duplicates(system)
        .sort_values("first", kind="stable")
    )
    settings["place"] = range(len(settings))
    kept = runs.merge(settings[[*system, "setting", "place"]], on=[*system, "setting"])
    return kept.drop(columns="setting").sort_values(["place", "seed"]).reset_index(drop=True)


def titles(runs: pd.DataFrame) -> pd.Series[str]:
    """What the leaderboard calls each run's system."""
    return runs["system"] + (runs["tuned"] != "").map({True: " (tuned)", False: ""})


def best_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The repeats of the best system: the same that `Ranking.best` is made of.

    Args:
        runs: Of one context, as `benchmark.ranking.runs.fetch` gives them.

    Returns:
        Those of ``runs`` whose system has the highest mean validation accuracy, of equals the
        first; of one that has none at all, those of the first.
    """
    chosen = repeats(runs)
    own = chosen[chosen["place"] == _best_place(chosen)]
    return runs[runs["run_id"].isin(own["run_id"])]


def _best_place(chosen: pd.DataFrame) -> int:
    vals = chosen.groupby("place")["best_val_accuracy"].mean().fillna(-1).to_numpy(np.float64)
    return int(vals.argmax())


def _rows(chosen: pd.DataFrame) -> pd.DataFrame:
    """A row a system, in the order of their places; ``run_id`` is its best by validation.

    So are its epochs: the run's curves are drawn beside them.
    """
    by_place = chosen.groupby("place")
    table = chosen.drop_duplicates("place").reset_index(drop=True)
    best = chosen.sort_values("best_val_accuracy", ascending=False, kind="stable")
    shown = best.drop_duplicates("place").sort_values("place")
    for name in _OF_THE_BEST:
        table[name] = shown[name].to_numpy()
    for name in MEANS:
        table[name] = by_place[name].mean().to_numpy()
    table["run_ids"] = by_place["run_id"].agg(list).to_numpy()
    seeds = [[int(seed) for seed in own["seed"].dropna()] for _, own in by_place]
    known = {seed for own in seeds for seed in own}
    table["seeds"] = seeds
    table["seeds_missing"] = [", ".join(map(str, sorted(known.difference(own)))) for own in seeds]
    return table


def _comparable(
    table: pd.DataFrame, answers: Mapping[str, pd.DataFrame]
) -> dict[int, list[pd.DataFrame]]:
    """Of each row whose runs told all of the same images, what its repeats said of them."""
    systems: dict[int, list[pd.DataFrame]] = {}
    images: pd.Index[Any] | None = None
    for place, run_ids in enumerate(table["run_ids"]):
        own = [answers[run_id] for run_id in run_ids if run_id in answers]
        if len(own) < len(run_ids) or own[0].empty:
            continue
        images = own[0].index if images is None else images
        if all(one.index.equals(images) for one in own):
            systems[place] = own
    return systems


def _compared(
    table: pd.DataFrame, systems: Mapping[int, list[pd.DataFrame]]
) -> tuple[pd.DataFrame, float]:
    """Add the columns of `_COMPARED` and the verdict, and find the smallest difference."""
    from benchmark.ranking.statistics import accuracy, rank, smallest_difference, wilson_interval

    table = table.assign(**dict.fromkeys(_COMPARED, np.nan), verdict="")
    reference = _best_place(table)
    known = bool(table["best_val_accuracy"].notna().any())
    if known:
        table.loc[reference, "verdict"] = BEST
    for place, (share, n) in enumerate(
        zip(table["test_accuracy"], table["test_images"], strict=True)
    ):
        if place not in systems and not pd.isna(share) and not pd.isna(n):
            bounds = wilson_interval(float(share), int(n))
            table.loc[place, ["test_accuracy_low", "test_accuracy_high"]] = bounds
    if not known or reference not in systems:  # then a row is said of alone
        for place, own in systems.items():
            one = accuracy(correct(own), groups_of(own[0]))
            table.loc[place, [*_OF_ITSELF, "test_images"]] = (
                *(one.low, one.high, one.error_images, one.error_seeds),
                one.images,
            )
        return table, float("nan")
    groups = groups_of(systems[reference][0])
    told = {str(place): correct(own) for place, own in systems.items()}
    found = rank(told, groups, str(reference))
    found = found.rename(columns={"low": "test_accuracy_low", "high": "test_accuracy_high"})
    places = [int(name) for name in found.index]
    table.loc[places, list(_COMPARED)] = found[list(_COMPARED)].to_numpy()
    table.loc[places, "verdict"] = found["verdict"].replace({"reference": BEST}).to_numpy()
    table.loc[places, "test_images"] = len(groups)
    return table, smallest_difference(told, groups, str(reference))


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The best first, the others by test accuracy."""
    by_accuracy = table.sort_values("test_accuracy", ascending=False, kind="stable")
    best = by_accuracy["verdict"] == BEST
    return pd.concat([by_accuracy[best], by_accuracy[~best]], ignore_index=True)
