"""Similarities and thresholds to groups, and the quality of groups."""
