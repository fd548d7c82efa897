"""Draw the groups of every group type into a child run of an ELSA run.

The modules are imported one by one, as those that draw and measure need no MLflow.
"""
