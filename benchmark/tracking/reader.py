"""Turns the runs of an MLflow store into a table of the columns that one asks for."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.tracking.connection import all_pages, connect
from benchmark.tracking.database import connected, find_experiment
from benchmark.tracking.store import Store, no_experiment

if TYPE_CHECKING:
    from mlflow.entities import Run
    from sqlalchemy import ColumnClause, Connection, ScalarSelect, Select

COMPLETED: Mapping[str, Collection[str]] = {"completed": ("true",)}
"""Tags of runs whose results count."""
PAGE = 1000
_RUN = {
    "run_uuid": "run_id",
    "name": "run",
    "status": "status",
    "start_time": "started",
    "end_time": "ended",
    "artifact_uri": "artifact_uri",
}
"""Columns of MLflow's table of runs, and what they are called here."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What to read of each run, by name.

    Attributes:
        metrics: Of which the last value counts.
        params: Settings.
        tags: Words.
    """

    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """The kind and name of each."""
        yield from (("metrics", name) for name in self.metrics)
        yield from (("params", name) for name in self.params)
        yield from (("tags", name) for name in self.tags)


def read_runs(store: Store, columns: Columns, tags: Mapping[str, Collection[str]]) -> pd.DataFrame:
    """Read an experiment's runs.

    A database is asked for the columns alone: MLflow makes an object of each param, metric and tag,
    which takes it about 3 ms a run.

    Args:
        store: Where.
        columns: What of each run.
        tags: Of which runs: tags, and the values that each may have.

    Returns:
        A row a run, the newest first: ``run_id``, ``run`` (its name), ``status`` (MLflow's),
        ``started`` (UTC), ``seconds`` (that it took), ``artifact_uri``, and ``metrics.NAME``,
        ``params.NAME`` and ``tags.NAME``; what a run does not have is missing.

    Raises:
        UserError: The store has no such experiment, or cannot be read.
    """
    if not store.is_database:
        frame = _read_server(store, columns, tags)
    elif not store.exists():
        raise no_experiment(store)
    else:
        frame = _read_database(store, columns, tags)
    frame["seconds"] = (frame.pop("ended").astype(float) - frame["started"]) / 1000
    frame["started"] = pd.to_datetime(frame["started"], unit="ms", utc=True)
    for name in columns.metrics:
        frame[f"metrics.{name}"] = frame[f"metrics.{name}"].astype(float)
    return frame.sort_values("started", ascending=False, kind="stable").reset_index(drop=True)


def read_params(store: Store, run_ids: Sequence[str]) -> pd.DataFrame:
    """Read all params of some runs.

    Args:
        store: Where.
        run_ids: Which.

    Returns:
        A row a run, its id the index, and a column a param, ordered by name; texts, or missing.
    """
    parts = [run_ids[first : first + PAGE] for first in range(0, len(run_ids), PAGE)]
    if store.is_database:
        with connected(store) as connection:
            rows = pd.concat([_query_params(connection, part) for part in parts])
        return rows.pivot(index="run_uuid", columns="key", values="value")
    listed = [", ".join(f"'{run_id}'" for run_id in part) for part in parts]
    found = [run for ids in listed for run in search(store, f"attributes.run_id IN ({ids})")]
    table = pd.DataFrame({run.info.run_id: pd.Series(run.data.params) for run in found}).T
    return table.sort_index(axis=1)


def _query_params(connection: Connection, run_ids: Sequence[str]) -> pd.DataFrame:
    from sqlalchemy import column, select, table

    params = table("params", *map(column, ("run_uuid", "key", "value")))
    return _frame(connection, select(params).where(params.c.run_uuid.in_(run_ids)))


def read_curves(store: Store, run_ids: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Read the whole course of some metrics of some runs.

    Args:
        store: Where.
        run_ids: Which.
        names: Of the metrics.

    Returns:
        A row a value: ``run_id``, ``name``, ``step`` and ``value``, in the order of the steps.
    """
    columns = ["run_id", "name", "step", "value"]
    if store.is_database and run_ids:
        with connected(store) as connection:
            frame = _query_curves(connection, run_ids, names)
    else:
        client, _ = connect(store, write=False)
        rows = [
            (run_id, name, one.step, one.value)
            for run_id in run_ids
            for name in names
            for one in client.get_metric_history(run_id, name)
        ]
        frame = pd.DataFrame(rows, columns=columns)
    return frame[columns].sort_values(["run_id", "name", "step"], ignore_index=True)


def _query_curves(
    connection: Connection, run_ids: Sequence[str], names: Sequence[str]
) -> pd.DataFrame:
    from sqlalchemy import case, column, null, select, table

    points = table("metrics", *map(column, ("run_uuid", "key", "step", "value", "is_nan")))
    value = case((points.c.is_nan, null()), else_=points.c.value)
    query = select(
        points.c.run_uuid.label("run_id"),
        points.c.key.label("name"),
        points.c.step,
        value.label("value"),
    ).where(points.c.run_uuid.in_(run_ids), points.c.key.in_(names))
    return _frame(connection, query)


def search(store: Store, query: str) -> Iterator[Run]:
    """Find the experiment's runs by a query in MLflow's language, the newest first.

    Raises:
        UserError: The store has no experiment yet.
    """
    if not store.exists():
        raise no_experiment(store)
    client, experiment = connect(store, write=False)
    if experiment is None:
        raise no_experiment(store)
    ids, newest = [experiment.experiment_id], ["attributes.start_time DESC"]
    ask = partial(client.search_runs, ids, query, max_results=PAGE, order_by=newest)
    yield from all_pages(ask)


def _read_database(
    store: Store, columns: Columns, tags: Mapping[str, Collection[str]]
) -> pd.DataFrame:
    from sqlalchemy import inspect

    with connected(store) as connection:
        frame = None
        if inspect(connection).has_table("experiments"):
            frame = _query(connection, store, columns, tags)
    if frame is None:
        raise no_experiment(store)
    return frame


def _query(
    connection: Connection, store: Store, columns: Columns, tags: Mapping[str, Collection[str]]
) -> pd.DataFrame | None:
    """Read the tables of MLflow's schema: a row a run, each value looked up by its primary key."""
    from sqlalchemy import case, column, null, select, table

    value: ColumnClause[Any] = column("value")
    runs = table("runs", *map(column, (*_RUN, "experiment_id", "lifecycle_stage")))
    parts = {"metrics": "latest_metrics", "params": "params", "tags": "tags"}
    number = case((column("is_nan"), null()), else_=value)

    def look_up(kind: str, name: str) -> ScalarSelect[Any]:
        part = table(parts[kind], *map(column, ("key", "run_uuid", "value", "is_nan")))
        return (
            select(number if kind == "metrics" else value)
            .select_from(part)
            .where(part.c.key == name, part.c.run_uuid == runs.c.run_uuid)
            .scalar_subquery()
        )

    experiment_id = find_experiment(connection, store)
    if experiment_id is None:
        return None
    query = select(
        *(runs.c[old].label(new) for old, new in _RUN.items()),
        *(look_up(kind, name).label(f"{kind}.{name}") for kind, name in columns),
    ).where(runs.c.experiment_id == int(experiment_id), runs.c.lifecycle_stage == "active")
    query = query.where(*(look_up("tags", name).in_(values) for name, values in tags.items()))
    return _frame(connection, query)


def _frame(connection: Connection, query: Select[Any]) -> pd.DataFrame:
    """Ask; pandas' own ``read_sql`` hides SQLAlchemy's errors, which are told as the store's."""
    rows = connection.execute(query)
    return pd.DataFrame.from_records(rows.all(), columns=[*rows.keys()], coerce_float=True)


def _read_server(
    store: Store, columns: Columns, tags: Mapping[str, Collection[str]]
) -> pd.DataFrame:
    each = ([f"tags.{name} = '{value}'" for value in values] for name, values in tags.items())
    queries = [" and ".join(terms) for terms in itertools.product(*each)]
    rows = [_row(run, columns) for query in queries for run in search(store, query)]
    names = [*_RUN.values(), *(f"{kind}.{name}" for kind, name in columns)]
    return pd.DataFrame(rows, columns=names)


def _row(run: Run, columns: Columns) -> dict[str, Any]:
    info, data = run.info, run.data
    return {
        "run_id": info.run_id,
        "run": info.run_name,
        "status": info.status,
        "started": info.start_time,
        "ended": info.end_time,
        "artifact_uri": info.artifact_uri,
        **{f"{kind}.{name}": getattr(data, kind).get(name) for kind, name in columns},
    }
