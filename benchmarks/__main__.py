"""All benchmarks, as one table."""

from benchmarks import generation, loading, peers, thresholds, training
from benchmarks.harness import main

if __name__ == "__main__":
    main(*thresholds.CASES, *generation.CASES, *peers.CASES, *training.CASES, *loading.CASES)
