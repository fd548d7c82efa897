"""Entry point ``generate``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    from elsa_groups.commands.generate.generate import check_settings, find_parent, run

    run_entry_point("generate", run, check=check_settings, find_parent=find_parent)


if __name__ == "__main__":
    main()
