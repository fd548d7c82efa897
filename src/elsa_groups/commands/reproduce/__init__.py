"""Draw recorded groups again, and judge whether they are the same."""
