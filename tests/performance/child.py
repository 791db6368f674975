"""Turns ``MODULE:FUNCTION`` and its arguments as JSON into a file with the figures it returns."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from tests.performance.measure import RESULT


def main(target: str, arguments: str) -> None:
    """Call a function of this package, in the process that is measured."""
    module, _, function = target.partition(":")
    call = getattr(importlib.import_module(f"tests.performance.{module}"), function)
    result = Path(RESULT).resolve()
    result.write_text(json.dumps(call(**json.loads(arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
