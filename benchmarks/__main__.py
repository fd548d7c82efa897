"""All benchmarks, as one table."""

from benchmarks import generation, thresholds
from benchmarks.harness import main

if __name__ == "__main__":
    main(*thresholds.CASES, *generation.CASES)
