"""MLflow's own pages, and the page that serves a classifier."""
