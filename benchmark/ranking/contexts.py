"""Turns an MLflow store into the sets of runs that may stand in one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from benchmark.data.names import counted
from benchmark.ranking.runs import NETWORK, fetch, read_rows
from benchmark.study.plan import SPEC_VERSION
from benchmark.study.presets import PRESETS, study
from benchmark.study.recorded import set_by_hand
from benchmark.study.seeds import name_seeds
from benchmark.tracking.reader import read_params
from benchmark.tracking.store import Store
from registry.errors import UserError
from registry.printable import listed

_SHOWN = 5
"""So many sets are told in an error."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Runs that may stand in one table: of the same data, split and training settings.

    Attributes:
        id: Hash of all that they share.
        title: The same for people.
        version: The `SPEC_VERSION` of its runs; empty before there were repeats.
        count: How many runs it has.
    """

    id: str
    title: str
    version: str = ""
    count: int = 0

    @property
    def is_older(self) -> bool:
        """Whether today's runs are not to be compared with these."""
        return self.version != str(SPEC_VERSION)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Sets of runs to show, each in a table of its own.

    Attributes:
        contexts: The sets.
        others: What else is in the store.
        runs: Those of `contexts`, as `fetch` gives them.
    """

    contexts: list[Context]
    others: list[Context]
    runs: pd.DataFrame


def choose(store: Store, id_: str | None) -> Chosen:
    """Choose sets of runs; only theirs are read whole.

    Args:
        store: Where they are.
        id_: The beginning of a context's id, ``all``, or None for that of the newest run.

    Raises:
        UserError: There are no runs, no context begins so, or several do.
    """
    tags = ("context", "weights", "group", "data", "preset", "spec_version")
    rows = read_rows(store, tags)
    known = _told_apart(contexts(rows), rows, store)
    if id_ == "all":
        return Chosen(contexts=known, others=[], runs=fetch(store))
    chosen = known[:1] if id_ is None else [one for one in known if one.id.startswith(id_)]
    if len(chosen) != 1:
        titles = [f"{one.id[:8]} ({one.title})" for one in chosen or known]
        told = listed(titles, _SHOWN, "; ")
        raise UserError(f"{len(chosen)} sets of runs begin with {id_!r}; there are: {told}")
    others = [one for one in known if one != chosen[0]]
    return Chosen(contexts=chosen, others=others, runs=fetch(store, [chosen[0].id]))


def choose_one(store: Store, id_: str | None) -> Chosen:
    """Choose a set of runs, as `choose` does.

    Raises:
        UserError: As `choose`; or all sets are asked for.
    """
    if id_ == "all":
        raise UserError("it takes one set of runs; bench leaderboard names them: --context ID")
    return choose(store, id_)


def contexts(runs: pd.DataFrame) -> list[Context]:
    """List the sets of runs that a table may hold, the one with the newest run first."""
    newest = runs.drop_duplicates("context").to_dict("records")
    seeds = runs.groupby("context")["seed"]
    counts, known = seeds.size(), seeds.unique()
    sizes = runs.groupby("context")["image_size_px"].unique()
    return [
        Context(
            id=id_,
            title=(
                f"{first['data']}: {first['images']:,} images of {first['classes']} classes, "
                f"{_sizes(sizes[id_])} px, {_preset(first['preset'])}"
                f"at most {counted(first['epochs'], 'epoch')}, {_seeds(known[id_])}"
            ),
            version=str(first["spec_version"]),
            count=int(counts[id_]),
        )
        for first in newest
        for id_ in (str(first["context"]),)
    ]


def _told_apart(known: list[Context], runs: pd.DataFrame, store: Store) -> list[Context]:
    """Add to titles that several have what was set by hand, or else when the newest run began."""
    of_title: dict[str, list[str]] = {}
    for one in known:
        of_title.setdefault(one.title, []).append(one.id)
    alike = {id_ for ids in of_title.values() if len(ids) > 1 for id_ in ids}
    if not alike:
        return known
    changed = _changed(runs[runs["context"].isin(alike)], store)
    titles = {}
    for title, ids in of_title.items():
        known_ones = [set(changed[id_]) for id_ in ids if id_ in changed]
        shared = set.intersection(*known_ones) if known_ones else set()
        for id_ in ids:
            told = listed([one for one in changed.get(id_, ()) if one not in shared])
            titles[id_] = f"{title}, {told}" if told else title
    counts = Counter(titles.values())
    newest = runs.groupby("context")["started"].max()
    for id_, title in titles.items():
        if counts[title] > 1:
            titles[id_] = f"{title}, newest run {newest[id_]:%Y-%m-%d %H:%M} UTC"
    return [replace(one, title=titles[one.id]) for one in known]


def _changed(runs: pd.DataFrame, store: Store) -> dict[str, list[str]]:
    """What was set by hand in each context that has more than sweeps, by a run of each network."""
    of_networks = runs[runs["tuned"] == ""].drop_duplicates(["context", *NETWORK])
    if of_networks.empty:
        return {}
    params = read_params(store, of_networks["run_id"].tolist())
    found = {}
    for id_, own in of_networks.groupby("context"):
        settings = [params.loc[run_id].dropna().to_dict() for run_id in own["run_id"]]
        preset = PRESETS.get(own["preset"].iloc[0], study)()
        changes = set_by_hand(settings, preset)
        found[str(id_)] = [f"{key}={value}" for key, value in changes.items()]
    return found


def _sizes(sizes: Iterable[Any]) -> str:
    return listed([str(size) for size in sorted(sizes)])


def _seeds(seeds: Iterable[Any]) -> str:
    return name_seeds(sorted(int(seed) for seed in seeds if not pd.isna(seed)))


def _preset(name: str) -> str:
    return "" if name in ("", "study") else f"preset {name}, "
