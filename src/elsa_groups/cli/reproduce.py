"""Entry point ``reproduce``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    from elsa_groups.commands.reproduce.reproduce import run

    run_entry_point("reproduce", run)


if __name__ == "__main__":
    main()
