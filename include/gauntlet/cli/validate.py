"""``gauntlet validate``: says of each file whether it is a definition, and everything that is wrong with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gauntlet.cli import display
from gauntlet.definitions.loader import load_file
from gauntlet.definitions.source import SUFFIXES
from gauntlet.errors import RefusedError

REFUSED = 3


def validate(paths: list[Path], *, as_json: bool) -> int:
    """Validate files, and the YAML files of folders.

    :returns: 0 when all are good, 3 otherwise.
    """
    files = [file for path in paths for file in _files(path)]
    results = []
    for file in files:
        try:
            definition = load_file(file)
        except RefusedError as error:
            results.append({"file": str(file), "valid": False, "problems": display.problems(error)})
            if not as_json:
                sys.stdout.write("".join(f"{problem}\n" for problem in error.problems))
        else:
            results.append({"file": str(file), "valid": True, "kind": definition.kind, "name": definition.name})
            if not as_json:
                sys.stdout.write(f"{file}: a good {definition.kind}, {definition.name}\n")
    if as_json:
        sys.stdout.write(json.dumps({"files": results}, ensure_ascii=False, indent=2) + "\n")
    if not files:
        sys.stderr.write("gauntlet: there is no definition file there\n")
        return REFUSED
    return 0 if all(result["valid"] for result in results) else REFUSED


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
