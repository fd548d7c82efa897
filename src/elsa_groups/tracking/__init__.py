"""MLflow: finding the parent run, logging parent and child runs."""
