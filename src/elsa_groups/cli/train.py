"""Entry point ``train``."""

from elsa_groups.cli.lifecycle import run_entry_point


def main() -> None:
    """Run the command line."""
    from elsa_groups.commands.train import run

    run_entry_point("train", run)


if __name__ == "__main__":
    main()
