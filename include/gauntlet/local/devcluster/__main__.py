"""The command line: ``python -m gauntlet.local.devcluster serve``. Reads options, starts the server, nothing else."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from fractions import Fraction
from pathlib import Path

from gauntlet.local.devcluster.server import Options, StartupError, serve
from gauntlet.local.devcluster.store.quantities import QuantityError, parse


def _quantity(text: str) -> Fraction:
    try:
        value = parse(text)
    except QuantityError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
    if value <= 0:
        raise argparse.ArgumentTypeError("must be more than nothing")
    return value


def options(arguments: list[str] | None = None) -> Options:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="devcluster", description=(
        "A small Kubernetes API on loopback whose node runs containers as local processes. It isolates nothing."
    ))  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("serve", help="serve in the foreground until SIGTERM")
    command.add_argument("--state-dir", type=Path, required=True, help="folder for kubeconfig, token, logs, volumes")
    command.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 (the default) chooses one")
    command.add_argument("--cpu", type=_quantity, help="cores the node offers; default: the machine's")
    command.add_argument("--memory", type=_quantity, help="memory the node offers, such as 4Gi; default: the machine's")
    command.add_argument("--pods", type=int, default=300, help="how many pods the node takes")
    command.add_argument("--catalogue", type=Path, action="append", default=[], help="a file with more images")
    given = parser.parse_args(arguments)
    memory = None if given.memory is None else int(given.memory)
    return Options(given.state_dir, given.port, given.cpu, memory, given.pods, tuple(given.catalogue))


def main() -> int:
    """Serve; 0 after a signal, 2 when it cannot start or go on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(serve(options()))
    except StartupError as problem:
        print(f"devcluster: {problem}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
