"""Entry point ``compare``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    from elsa_groups.commands.compare.compare import run

    run_entry_point("compare", run)


if __name__ == "__main__":
    main()
