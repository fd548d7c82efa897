"""Draw the groups of every group type into a child run of an ELSA run."""
