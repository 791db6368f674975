"""Turns predictions and networks into figures."""
