"""The two commands of a pod: ``python -m gauntlet.agent prepare`` (init container) and ``run`` (main container).

The exit code says whether a complete manifest was written, and nothing about the tests: 0 it was, 1 it could not be,
64 the pod is set up wrongly (a variable missing, an order that is none). Only signals and exit codes are handled
here.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from gauntlet.agent.contract import Order, loads
from gauntlet.agent.execution import Stop
from gauntlet.agent.failures import Cancelled, Refusal, UploadError, masked
from gauntlet.agent.fetching import fetch_order
from gauntlet.agent.preparing import prepare
from gauntlet.agent.redaction import Redactor
from gauntlet.agent.reporting import Attempt, say
from gauntlet.agent.running import run
from gauntlet.agent.uploading import uploader_for
from gauntlet.agent.workplace import Workplace

MANIFEST_NOT_WRITTEN = 1
WRONGLY_SET_UP = 64


def _cancel(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Cancelled


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do one of the two commands.

    :returns: the exit code.
    """
    if list(arguments) not in (["prepare"], ["run"]):
        say("usage: python -m gauntlet.agent prepare|run")
        return WRONGLY_SET_UP
    started_at = time.time()
    stop = Stop()
    signal.signal(signal.SIGTERM, _cancel if arguments[0] == "prepare" else stop)
    try:
        workplace = Workplace.from_environment(environ)
        order = loads(Order, fetch_order(workplace))
        redactor = Redactor(environ.get(name, "") for name in order.secret_env)
        attempt = Attempt(order, workplace, uploader_for(order.upload, workplace.store), started_at, redactor)
    except (ValueError, Refusal, UploadError, OSError) as error:
        say(f"no order to carry out: {masked(str(error))}")
        return WRONGLY_SET_UP
    except Cancelled:
        say("stopped before there was an order")
        return MANIFEST_NOT_WRITTEN
    try:
        if arguments[0] == "prepare":
            prepare(order, workplace, attempt, environ)
        else:
            run(order, workplace, attempt, environ, stop)
    except UploadError as error:
        say(f"the manifest could not be written: {error}")
        return MANIFEST_NOT_WRITTEN
    except Cancelled:
        say("stopped while the last words were being written")
        return MANIFEST_NOT_WRITTEN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
