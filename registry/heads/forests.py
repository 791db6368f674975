"""Turns a fitted scikit-learn forest into the figures of its size."""

from __future__ import annotations

from typing import Any


def describe_forest(forest: Any) -> dict[str, float]:
    """Count a forest's trees and nodes and its deepest tree.

    Args:
        forest: A fitted scikit-learn forest.

    Returns:
        Metrics ``trees``, ``depth`` (edges from root to the deepest leaf) and ``nodes``.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    return {
        "trees": float(len(trees)),
        "depth": float(max(tree.max_depth for tree in trees)),
        "nodes": float(sum(tree.node_count for tree in trees)),
    }
