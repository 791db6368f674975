"""Names of classes in scripts that are written from right to left leave figures in their places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.tracking.store import Store
from tests.report.study import Study, make_data, make_store
from tests.report.test_report import written

HEBREW = re.compile("[\u0590-\u05ff]")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("hebrew")
    made = make_store(folder)
    study = Study(made, make_data(folder, {"חתול": 14, "כלב": 14, "סוס": 14}))
    for name, skill in (("a-scratch", 0.6), ("b-scratch", 0.3)):
        study.network(name, name, "from scratch", folder, skill=skill)
    return made


def beside_figures(page: Path) -> tuple[int, list[str]]:
    """How many names of classes are isolated, and which lines have others beside figures."""
    text = page.read_text(encoding="utf-8").partition("<body>")[2]
    isolated, count = re.subn(r"<bdi>[^<]+</bdi>", "", text)
    blocks = re.split(r"<[^>]*>", re.sub(r"</?(?:strong|span|br)\b[^>]*>", "", isolated))
    return count, [one for one in blocks if HEBREW.search(one) and re.search(r"\d", one)]


def test_a_reports_figures_stand_where_they_do_beside_other_names(
    store: Store, tmp_path: Path
) -> None:
    written(store, tmp_path)
    count, wrong = beside_figures(tmp_path / "report.html")
    assert count > 10
    assert wrong == []
