"""Entry point ``evaluate``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    run_entry_point("evaluate")


if __name__ == "__main__":
    main()
