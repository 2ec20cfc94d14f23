"""Becomes another program, which the kernel stops if the process that asked for it dies.

`python parent_death.py PARENT_PID PROGRAM ARGUMENT...` Whoever is stopped with SIGKILL cannot stop
its children; on Linux the kernel can do it instead: prctl(2), PR_SET_PDEATHSIG. The setting
survives exec(2). Elsewhere this does nothing but start the program.

Run as a script and not between fork and exec: Python code there may deadlock.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            return  # it died before it could be asked about
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.exit(f"{program[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
