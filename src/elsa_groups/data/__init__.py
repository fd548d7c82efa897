"""Raw files to interactions: nothing here knows the model, Hydra or MLflow."""
