"""The figures of a groups run, one file each."""
