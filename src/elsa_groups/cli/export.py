"""Entry point ``export``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    from elsa_groups.commands.export.export import run

    run_entry_point("export", run, makes_run=False)


if __name__ == "__main__":
    main()
