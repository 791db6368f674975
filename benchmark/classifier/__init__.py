"""A trained classifier out of MLflow."""
