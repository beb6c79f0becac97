"""One run of a study in a process of its own: `mixkit ...`, which ends when the process that started it does.

It is started with a pipe as its input. Nothing is ever written to it; the system closes it when the driver ends,
however that ends, and what nobody waits for any more must not go on beside a driver that is started anew.
"""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Runs `mixkit` with the arguments of this process."""
    pipe = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    threading.Thread(target=end_with, args=(pipe,), daemon=True).start()
    sys.argv[0] = "mixkit"
    runpy.run_module("mixkit", run_name="__main__")


def end_with(pipe: int) -> None:
    """Ends this process when the other end of a pipe is closed."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
