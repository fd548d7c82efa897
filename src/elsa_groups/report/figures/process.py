"""A process that draws: it reads what a figure shows from its input, and answers with the picture."""

import logging
import os
import pickle
import sys

from elsa_groups.base.module_process import READY


def main() -> None:
    """Draw until the input ends, with the process at its other end."""
    # That it looks for fonts, for the first time.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # Only now, as it imports matplotlib.
    from elsa_groups.report.figures.run import save_shown

    told = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not come between.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        told.write(READY)
        told.flush()
        while True:
            folder, shown = pickle.load(sys.stdin.buffer)
            pickle.dump(save_shown(folder, shown), told)
            told.flush()
    except Exception:
        # The input has ended, nobody reads any more, or a figure cannot be drawn: that is drawn again by who
        # asked, where its error is read.
        return


if __name__ == "__main__":
    main()
