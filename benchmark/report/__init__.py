"""Turns a context's runs in MLflow into one HTML file that needs nothing else."""
