"""MLflow: the only writer, nested runs, the only reader, saved views."""
