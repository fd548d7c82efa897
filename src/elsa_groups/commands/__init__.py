"""What each command does, a package each."""
