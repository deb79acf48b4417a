"""`lateral`, and `python -m lateral.tools.cli`: the command line, which Ctrl-C ends quietly from the first moment."""

from __future__ import annotations

import gc
import signal
import sys

from .interruption import EXIT_INTERRUPTED, Interruption

__all__ = ["main"]


def main() -> None:
    """Runs the command line and ends the process with its exit code.

    The command line says that it was interrupted. Where it can't, as while its modules are imported, the process ends
    without a word.
    """
    interruption = Interruption()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background it may be ignored
        signal.signal(signal.SIGINT, interruption)
    try:
        from .app import main as run

        run(interruption)
    except SystemExit:
        raise
    except BaseException:
        if not interruption.came:
            raise
        sys.exit(EXIT_INTERRUPTED)
    finally:
        gc.freeze()  # what is left goes with the process: to look through it for garbage takes 0.15 s after a search


if __name__ == "__main__":
    main()
