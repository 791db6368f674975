"""Sweeps: Optuna studies that start from the study's grids and go on from there."""
