"""What every room may use: errors, progress, compiled kernels, random numbers, threads, ranks, files."""
