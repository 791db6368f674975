"""Runs image-classification studies and tracks them in MLflow."""
