"""Read by every Airflow component at its start. Two things belong here, nothing else:

* task processes inherit the heavy imports: LocalExecutor's workers are forks of the scheduler, so what the
  scheduler has imported costs a task nothing (12.3 tasks a second instead of 2.6 on two cores);
* a component that is killed takes its children along. LocalExecutor's workers would otherwise wait for ever on
  a queue nobody fills, and a task that the next scheduler runs again would still be running here.
"""

import ctypes
import os
import signal
import sys
import threading

_COMPONENTS = {"scheduler", "triggerer", "dag-processor"}
_PR_SET_PDEATHSIG = 1


class _DieWithParent:
    """Hooks around fork by which a child asks Linux to be killed when its parent ends."""

    def __init__(self) -> None:
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        self._parent = 0

    def before(self) -> None:
        # Linux watches the forking thread, not its process: only the main thread lives as long as that does.
        self._parent = os.getpid() if threading.current_thread() is threading.main_thread() else 0

    def in_child(self) -> None:
        if not self._parent:
            return
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self._parent:  # it ended before the line above
            os._exit(1)


if "scheduler" in sys.argv:
    import airflow.providers.cncf.kubernetes.operators.pod  # noqa: F401

if sys.platform == "linux" and _COMPONENTS & set(sys.argv):
    _hooks = _DieWithParent()
    os.register_at_fork(before=_hooks.before, after_in_child=_hooks.in_child)
