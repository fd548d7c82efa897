"""What made what: digests and the lineage record, free of MLflow."""
