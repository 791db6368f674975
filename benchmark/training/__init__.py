"""Turns a run's spec and prepared data into a fitted classifier."""
