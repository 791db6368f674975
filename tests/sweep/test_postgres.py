"""Two coordinators share a study in PostgreSQL, as those of two machines do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from optuna.trial import TrialState

from tests.sweep.synthetic import open_study
from tests.sweep.test_search import let_begin, start
from tests.tracking.postgres import new_database, server


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    with server() as address:
        yield new_database(address)


def test_two_coordinators_that_begin_at_once_make_each_trial_once(place: str) -> None:
    processes = [start(place, "grid") for _ in range(2)]
    let_begin(*processes)  # both make the tables
    told = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all(told), "one process did everything"
    complete = open_study(place).get_trials(states=(TrialState.COMPLETE,))
    assert len(complete) == len({str(trial.params) for trial in complete}) == 40
    assert sorted(map(int, told[0] + told[1])) == [trial.number for trial in complete]
