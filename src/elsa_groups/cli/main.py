"""Entry point ``main``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    from elsa_groups.commands.generate.generate import check_settings
    from elsa_groups.commands.main import find_or_train, run

    run_entry_point("main", run, check=check_settings, find_parent=find_or_train)


if __name__ == "__main__":
    main()
