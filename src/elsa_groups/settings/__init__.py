"""What conf/ is typed by."""
