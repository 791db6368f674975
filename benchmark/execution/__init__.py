"""Planned runs to outcomes: what is planned, and who executes it."""
