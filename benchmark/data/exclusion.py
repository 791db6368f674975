"""Turns a list of images into a file that people can edit, and back into what to leave out."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmark.data.findings import LeftOut
from benchmark.data.layout import ImageFile
from benchmark.processes.leftovers import rewriting
from registry.errors import UserError

COLUMNS = ("image", "reason", "detail")


def write_exclusions(
    file: Path, rows: Iterable[Mapping[str, str]], *, adding: bool = False
) -> None:
    """Write which images to leave out (``image``) and why (``reason``, ``detail``), as CSV.

    Args:
        file: The list.
        rows: Of images.
        adding: Whether they come after what the list holds, which stays as it is.
    """
    kept = file.read_text(encoding="utf-8-sig") if adding else f"{','.join(COLUMNS)}\n"
    columns = next(csv.reader(kept.splitlines()))
    with rewriting(file) as path, path.open("w", encoding="utf-8", newline="") as opened:
        opened.write(kept if kept.endswith("\n") else f"{kept}\n")
        csv.DictWriter(opened, columns, extrasaction="ignore", lineterminator="\n").writerows(rows)


def is_exclusions(beginning: bytes) -> bool:
    """Whether a file begins like one that `write_exclusions` wrote."""
    return beginning.decode("utf-8-sig", "replace").startswith(",".join(COLUMNS))


def leave_out(
    files: Iterable[ImageFile], exclusions: Path
) -> tuple[list[ImageFile], list[LeftOut]]:
    """Leave out the images that a list names in its column ``image``, and delete none.

    Raises:
        UserError: It cannot be read, or names no image of the data.
    """
    files = list(files)
    reasons = _read(exclusions)
    known = {file.name for file in files}
    if reasons and not known & reasons.keys():
        raise UserError(
            f"--exclude {exclusions}: none of its {len(reasons)} images is there, such as "
            f"{next(iter(reasons))!r}; names are those that bench data DIR --table splits lists"
        )
    left_out = [
        LeftOut(name=name, reason=f"by {exclusions.name}: {reason or 'excluded'}")
        for name, reason in reasons.items()
        if name in known
    ]
    left_out += [
        LeftOut(name=name, reason=f"by {exclusions.name}, but it is not there")
        for name in reasons
        if name not in known
    ]
    return [file for file in files if file.name not in reasons], left_out


def _read(exclusions: Path) -> dict[str, str]:
    """Names and reasons, in the order of the list."""
    try:
        with exclusions.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened)
            if "image" not in (rows.fieldnames or ()):
                raise UserError(
                    f"--exclude {exclusions} has no column called image; "
                    "bench data DIR --audit --fix FILE writes such a list"
                )
            return {
                unicodedata.normalize("NFC", row["image"]): row.get("reason") or ""
                for row in rows
                if row["image"]
            }
    except OSError as error:
        raise UserError(f"--exclude {exclusions} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"--exclude {exclusions} is no CSV file; bench data DIR --audit --fix FILE writes one"
        ) from error
