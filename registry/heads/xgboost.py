"""Gradient-boosted trees (Chen and Guestrin 2016) as a head."""

from __future__ import annotations

import json
from typing import Any

from xgboost import XGBClassifier

from registry.heads import STUDY_GRID, register_head


def describe_booster(classifier: XGBClassifier) -> dict[str, float]:
    """Count a booster's trees and nodes and its deepest tree.

    Args:
        classifier: A fitted classifier; boosting grows one tree per round and class.

    Returns:
        Metrics ``trees``, ``depth`` (edges from root to the deepest leaf) and ``nodes``.
    """
    model = json.loads(bytes(classifier.get_booster().save_raw(raw_format="json")))
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    return {
        "trees": float(len(trees)),
        "depth": float(max(_depth(tree) for tree in trees)),
        "nodes": float(sum(int(tree["tree_param"]["num_nodes"]) for tree in trees)),
    }


def _depth(tree: dict[str, Any]) -> int:
    # XGBoost numbers children after their parents, so one pass settles every depth.
    depths = [0] * len(tree["left_children"])
    for node, children in enumerate(
        zip(tree["left_children"], tree["right_children"], strict=True)
    ):
        for child in children:
            if child >= 0:
                depths[child] = depths[node] + 1
    return max(depths)


@register_head("xgboost", title="XGBoost", grid=STUDY_GRID, describe=describe_booster)
def xgboost(*, seed: int, jobs: int, **params: Any) -> XGBClassifier:
    """Make an unfitted XGBoost classifier; ``params`` are XGBoost's."""
    return XGBClassifier(random_state=seed, n_jobs=jobs, **params)
