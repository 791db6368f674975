"""MLflow queries to tables."""
