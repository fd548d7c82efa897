"""Entry point ``feasibility``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    from elsa_groups.commands.feasibility.feasibility import run
    from elsa_groups.commands.generate.generate import check_settings

    run_entry_point("feasibility", run, check=check_settings)


if __name__ == "__main__":
    main()
