"""What an adapter is, and how one is found (entry point group ``gauntlet.frameworks``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Protocol

from gauntlet.errors import GauntletError
from gauntlet.testing.suite import TestSuite

ENTRY_POINT_GROUP = "gauntlet.frameworks"


@dataclass(frozen=True)
class Command:
    """A tool's command line, with the agent's placeholders (see ``agent.contract.Order``).

    :param argv: the words; ``{python}``, ``{content}``, ``{results}``, ``{site_packages}`` are replaced in the pod.
    :param reports: files below ``{results}`` that hold results, as ``{"path", "format"}``.
    """

    argv: list[str]
    reports: list[dict[str, str]] = field(default_factory=list)


class UnsupportedFrameworkError(GauntletError):
    """No adapter for a suite's ``type``, or the adapter cannot run this suite."""


class Framework(Protocol):
    """An adapter. All methods are pure."""

    name: str

    def inventory(self, suite: TestSuite) -> Command:
        """The command that lists the suite's cases without running them.

        :raises UnsupportedFrameworkError: when this suite cannot be run, saying why.
        """
        ...

    def shard(self, suite: TestSuite) -> Command:
        """The command that runs the cases the agent selects.

        :raises UnsupportedFrameworkError: as :meth:`inventory`.
        """
        ...

    def requirements(self, suite: TestSuite) -> list[str]:
        """Requirement lines the tool itself needs beside the suite's own."""
        ...


def framework(name: str) -> Framework:
    """The adapter of a suite's ``type``.

    :raises UnsupportedFrameworkError: when none is installed.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in found:
        raise UnsupportedFrameworkError(
            f"no adapter runs suites of type {name}",
            where="type",
            todo=f"Installed are: {', '.join(sorted(found)) or 'none'}; install a package that offers "
            f"{name!r} in the entry point group {ENTRY_POINT_GROUP!r}",
        )
    adapter: Framework = found[name].load()()
    return adapter
