"""The store with a study in it, as tests of the report have it."""

from tests.report.conftest import monsters, studied

__all__ = ["monsters", "studied"]
