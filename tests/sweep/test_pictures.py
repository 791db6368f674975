"""What a sweep's pictures mark is what its tables say."""

from __future__ import annotations

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import create_trial

from benchmark.sweep.pictures import DEPTH, draw_sweep
from benchmark.sweep.trials import best_trial
from registry.protocols import SIZE


def test_the_plane_stars_the_best_of_the_table_among_equals() -> None:
    study = optuna.create_study(direction="maximize")
    for size, depth, value in ((300, 8, 0.7), (100, 4, 0.7), (100, 8, 0.7), (200, 4, 0.6)):
        trial = create_trial(
            params={SIZE: size, DEPTH: depth},
            distributions={
                SIZE: IntDistribution(50, 600),
                DEPTH: CategoricalDistribution((4, 8)),
            },
            value=value,
        )
        study.add_trial(trial)
    best = best_trial(study.trials)
    assert best is not None
    assert best.params == {SIZE: 100, DEPTH: 4}  # the smaller ensemble, then the earlier
    plane = draw_sweep(study, [])["plane"].axes[0]
    (star,) = [one for one in plane.collections if "best" in str(one.get_label())]
    assert np.asarray(star.get_offsets()).tolist() == [[100, 4]]
