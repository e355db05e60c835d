"""Ctrl-C and SIGTERM, heard within a second whatever goes on: the work has a thread of its own, and the main thread listens.

The signals are blocked for every thread, so that no library can take them; the main thread waits for them by name.
"""

import atexit
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
GRACE = 0.3
"""Seconds that the work has to end by itself."""

LISTENS = 0.5


def run_heard(work: Callable[[], int], *, tell: Callable[[], None]) -> int:
    """Do the work and give its exit code; 128 and the number of the signal when one ended it.

    On a signal `tell` says so, the work is told by a KeyboardInterrupt, and when it does not end at once (it loads a model, it
    compiles) its runs are noted as stopped and the process ends.
    """
    if not hasattr(signal, "sigtimedwait") or threading.current_thread() is not threading.main_thread():
        return work()
    heard = {getattr(signal, name) for name in ENDING}
    done, main, codes = signal.SIGUSR1, threading.get_ident(), [70]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*heard, done})

    def run() -> None:
        try:
            codes[0] = work()
        except KeyboardInterrupt:  # the main thread has heard it
            codes[0] = 130
        finally:
            signal.pthread_kill(main, done)

    thread = threading.Thread(target=run, name="work", daemon=True)
    thread.start()
    while thread.is_alive():
        found = signal.sigtimedwait({*heard, done}, LISTENS)
        if found is not None and found.si_signo in heard:
            tell()
            _end(thread, 128 + found.si_signo)
    thread.join()
    while signal.sigtimedwait({*heard, done}, 0) is not None:
        pass
    atexit.register(_hear_no_more)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return codes[0]


def _hear_no_more() -> None:
    """When the work is done, what comes is too late to change how it ended."""
    for name in ENDING:
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def _end(thread: threading.Thread, code: int) -> None:
    """End the process: the runs are noted as stopped, then the work has a moment to clear away what it began."""
    manifest = sys.modules.get("llmsynthor.run.manifest")
    if manifest is not None:
        manifest.stop_all()
    engines = sys.modules.get("llmsynthor.llm.child")
    if engines is not None:
        engines.stop_all()
    sys.unraisablehook = lambda _: None  # compiled code that calls back passes no exception on
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
    thread.join(GRACE)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
