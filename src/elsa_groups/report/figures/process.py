"""A process that draws: it reads what a figure shows from its input, and answers with the picture."""

import os
import pickle
import signal
import sys

from elsa_groups.report.figures.run import save_shown


def main() -> None:
    """Draw until the input ends, with the process at its other end."""
    # Ctrl-C is for the process at the other end, which then goes away.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not come between.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        try:
            folder, shown = pickle.load(sys.stdin.buffer)
            pickle.dump(save_shown(folder, shown), told)
            told.flush()
        except Exception:
            # The input has ended, nobody reads any more, or a figure cannot be drawn: that is drawn again by
            # who asked, where its error is read.
            return


if __name__ == "__main__":
    main()
