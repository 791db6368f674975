"""Turns a request in MLflow's format into pictures."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict, Field

COLUMN = "image"
MAX_ROWS = 256
_EXAMPLE = '{"dataframe_split": {"columns": ["image"], "data": [["BASE64"]]}}'


class Split(BaseModel):
    """A table as pandas writes it with ``orient="split"``."""

    columns: list[str]
    data: list[list[Any]]


class Params(BaseModel):
    """What the registered model takes besides pictures."""

    top: int = Field(default=5, ge=1)


class Rows(BaseModel):
    """Pictures in one of MLflow's four forms, each encoded in base64."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"dataframe_split": {"columns": [COLUMN], "data": [["BASE64"]]}}
        }
    )
    dataframe_split: Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[Any] | None = None
    inputs: Any = None
    params: Params = Params()


def read_rows(rows: Rows) -> tuple[list[bytes], int]:
    """Read the pictures, and how many classes of each to tell.

    Raises:
        HTTPException: There are none, too many, or one is not in base64.
    """
    values = _values(rows)
    if not 1 <= len(values) <= MAX_ROWS:
        raise HTTPException(422, f"send 1 to {MAX_ROWS} rows with a column {COLUMN}: {_EXAMPLE}")
    return [_decoded(value, place) for place, value in enumerate(values)], rows.params.top


def _values(rows: Rows) -> list[Any]:
    if rows.dataframe_split is not None:
        split = rows.dataframe_split
        named = [dict(zip(split.columns, row, strict=False)) for row in split.data]
    elif rows.dataframe_records is not None:
        named = rows.dataframe_records
    else:
        given = rows.inputs if rows.instances is None else rows.instances
        if isinstance(given, Mapping):
            given = given.get(COLUMN)
        if not isinstance(given, list):
            return []
        named = [row if isinstance(row, dict) else {COLUMN: row} for row in given]
    return [row.get(COLUMN) for row in named]


def _decoded(value: Any, place: int) -> bytes:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise HTTPException(
            422, f"row {place} (from 0) has no picture in base64 in its column {COLUMN}"
        ) from error
