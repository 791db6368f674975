"""MLflow's own pages."""
