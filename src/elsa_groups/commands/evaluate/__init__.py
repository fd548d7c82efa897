"""Compare group recommenders on the groups of a run, by grouprec's aggregators."""
