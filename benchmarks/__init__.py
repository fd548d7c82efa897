"""What this project costs, beside what else does the same: see docs/benchmarks.md."""
