"""Entry point ``reproduce``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    run_entry_point("reproduce")


if __name__ == "__main__":
    main()
