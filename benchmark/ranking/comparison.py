"""Turns named runs or systems of one context into what tells them apart, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.ranking.answers import correct, groups_of, read_answers
from benchmark.ranking.contexts import Context, choose_one
from benchmark.ranking.systems import BEST, best_runs, repeats, titles
from benchmark.tracking.store import Store
from registry.core import near
from registry.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What tells some systems apart.

    Attributes:
        context: Whose runs.
        run_id: One of the runs, by which the images are found.
        systems: A row each, in the order named: ``system``, ``test_accuracy`` with ``_low`` and
            ``_high``, ``seeds``, ``difference`` to the first with ``_low`` and ``_high``, ``p``
            (Holm's, if there are more than two), ``verdict`` and ``experiment``: the part of the
            study, or that it is beyond it. Shares of one.
        classes: A row a class, those first in which the systems differ most: ``class``, ``images``,
            and the share that each system has right, the mean of its seeds.
        images: A row an image that some have right and others wrong: ``image``, ``true``, and what
            each system says of it: most of its seeds, and how many are right if not all or none.
        right: The share of each system's seeds that have each image right, by image.
    """

    context: Context
    run_id: str
    systems: pd.DataFrame
    classes: pd.DataFrame
    images: pd.DataFrame
    right: pd.DataFrame

    @property
    def names(self) -> list[str]:
        """What the systems are called."""
        return [*self.systems["system"]]


def compare_named(store: Store, names: Sequence[str], context: str | None) -> Comparison:
    """Compare runs or systems on the test images that they share.

    Args:
        store: Where they are.
        names: Two at least: of a run, for all its seeds; MLflow's id of a run; of a system, as the
            leaderboard calls it; BACKBONE/HEAD; or ``best``. The first is what the others are
            compared with.
        context: The beginning of a context's id; None for that of the newest run.

    Raises:
        UserError: There is no such run, or one kept no predictions, or they cannot be read now.
    """
    if len({*names}) < 2:
        raise UserError("name two at least: bench compare A B; bench leaderboard lists them")
    one = choose_one(store, context)
    chosen = dict(_runs_of(one.runs, name) for name in dict.fromkeys(names))
    known: dict[frozenset[str], str] = {}
    for name, own in chosen.items():
        if (other := known.setdefault(frozenset(own["run_id"]), name)) != name:
            raise UserError(f"{other} and {name} are the same; bench leaderboard lists the others")
    everything = pd.concat(chosen.values())
    places = dict(zip(everything["run_id"], everything["artifact_uri"], strict=True))
    answers, unread = read_answers(store, places)
    for name, own in chosen.items():
        if reasons := [unread[id_] for id_ in own["run_id"] if id_ in unread]:
            reason = f"the predictions of {name} cannot be read now: {reasons[0]}"
            raise UserError(f"{reason}; see to that, then type the same again")
        if not {*own["run_id"]} <= answers.keys():
            raise UserError(f"{name} kept no predictions; repeat it with --force")
    told = {name: [answers[id_] for id_ in own["run_id"]] for name, own in chosen.items()}
    systems = _systems(told)  # first: it sees whether they were tested on the same images
    systems["experiment"] = [own["group"].iloc[0] for own in chosen.values()]
    right = _right(told)
    return Comparison(
        context=one.contexts[0],
        run_id=str(everything["run_id"].iloc[0]),
        systems=systems,
        classes=_classes(told, right),
        images=_images(told, right),
        right=right,
    )


def _runs_of(runs: pd.DataFrame, name: str) -> tuple[str, pd.DataFrame]:
    """What to call the runs that a name stands for, and these, in the order of their seeds."""
    base, _, weights = name.removesuffix(")").partition(" (weights ")
    if weights in {*runs["weights"]}:  # as such a row is called here
        return name, _runs_of(runs[runs["weights"] == weights], base)[1]
    if name == BEST:
        best = best_runs(runs).sort_values("seed")
        return f"{best['run'].iloc[0]} ({BEST})", best
    found = runs[(runs["run"] == name) | (runs["run_id"] == name)]
    if found.empty:
        rows = repeats(runs)
        short = rows["run"].str.split("/").str[0] + "/" + rows["head"]
        alike = (titles(rows).str.casefold() == name.casefold()) | (
            (rows["head"] != "") & (short == name)
        )
        found = runs[runs["run_id"].isin(rows[alike]["run_id"])]
    if found.empty:
        known = [*runs["run"], *titles(runs), BEST]
        raise UserError(f"no run of this set is called {name!r}; {near(name, known)}")
    best = best_runs(found)  # of a row for each weights, or of a grid and a sweep
    if found["weights"].nunique() > 1:
        name = f"{name} (weights {best['weights'].iloc[0]})"
    return name, best.sort_values("seed")


def _systems(told: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    from benchmark.ranking.statistics import rank

    first = next(iter(told))
    index = told[first][0].index
    if not all(one.index.equals(index) for own in told.values() for one in own):
        raise UserError("these runs were tested on different images")
    right = {name: correct(own) for name, own in told.items()}
    found = rank(right, groups_of(told[first][0]), first)
    found = found.rename(
        columns={"mean": "test_accuracy", "low": "test_accuracy_low", "high": "test_accuracy_high"}
    )
    found["p"] = found["p_holm"]
    found["verdict"] = found["verdict"].replace({"reference": ""})
    columns = ["test_accuracy", "test_accuracy_low", "test_accuracy_high", "seeds", "difference"]
    columns += ["difference_low", "difference_high", "p", "verdict"]
    return found[columns].rename_axis("system").reset_index()


def _right(told: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """A row an image: the share of each system's seeds that tell it right."""
    index = next(iter(told.values()))[0].index
    return pd.DataFrame({name: correct(own).mean(axis=0) for name, own in told.items()}, index)


def _classes(told: dict[str, list[pd.DataFrame]], right: pd.DataFrame) -> pd.DataFrame:
    true = next(iter(told.values()))[0]["true"]
    shares = right.groupby(true).mean()
    apart = (shares.max(axis=1) - shares.min(axis=1)).sort_values(ascending=False, kind="stable")
    images = true.value_counts().reindex(shares.index)
    table = shares.loc[apart.index]
    table.insert(0, "images", images.loc[apart.index].to_numpy())
    return table.rename_axis("class").reset_index()


def _said(own: list[pd.DataFrame], right: pd.Series[float]) -> pd.Series[str]:
    """What most seeds say of the images in ``right``, and how many are right if they disagree."""
    if len(own) == 1 or right.empty:  # of no rows there is no mode, and of many it takes long
        return own[0]["predicted"].loc[right.index]
    said = pd.concat([one["predicted"].loc[right.index] for one in own], axis=1)
    most: pd.Series[str] = said.mode(axis=1)[0]
    count = (right * len(own)).round().astype(int).astype(str)
    return most.where(right.isin([0, 1]), most + " (" + count + f" of {len(own)} right)")


def _images(told: dict[str, list[pd.DataFrame]], right: pd.DataFrame) -> pd.DataFrame:
    apart = right.max(axis=1) - right.min(axis=1)
    shown = right.loc[apart[apart > 0].sort_values(ascending=False, kind="stable").index]
    said = {name: _said(own, shown[name]) for name, own in told.items()}
    true = next(iter(told.values()))[0]["true"].loc[shown.index]
    return pd.DataFrame({"true": true, **said}).rename_axis("image").reset_index()
