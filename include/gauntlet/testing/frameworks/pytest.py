"""pytest: cases are node ids, results come live from a plugin in the tests' process, JUnit XML beside them."""

from __future__ import annotations

import re

from gauntlet.testing.content import PackageContent
from gauntlet.testing.frameworks.base import Command
from gauntlet.testing.suite import TestSuite

JUNIT = "junit.xml"
# The cache provider would write beside the tests, into an environment that other shards share.
_ALWAYS = ["-p", "gauntlet_pytest", "-p", "no:cacheprovider"]
_PYTEST = re.compile(r"pytest\s*([\[=<>!~@;(].*)?", re.DOTALL)


class Pytest:
    """The adapter of suites with ``type: pytest``."""

    name = "pytest"

    def inventory(self, suite: TestSuite) -> Command:
        """Collection in a pod; the plugin writes the inventory."""
        return Command([*self._base(suite), "--collect-only", "-q", *suite.config.args, *self._selection(suite)])

    def shard(self, suite: TestSuite) -> Command:
        """The same command line that a person would type; the plugin keeps to the shard's cases."""
        return Command(
            [*self._base(suite), f"--junitxml={{results}}/{JUNIT}", *suite.config.args, *self._selection(suite)],
            [{"path": JUNIT, "format": "junit"}],
        )

    def requirements(self, suite: TestSuite) -> list[str]:
        """pytest itself, unless the suite names its own or brings a requirements file that will."""
        named = any(_PYTEST.fullmatch(line.strip()) for line in suite.content.dependencies)
        return [] if named or suite.content.requirements else ["pytest"]

    def _base(self, suite: TestSuite) -> list[str]:
        root = "{site_packages}" if isinstance(suite.content, PackageContent) else "{content}"
        return ["{python}", "-m", "pytest", f"--rootdir={root}", *_ALWAYS]

    def _selection(self, suite: TestSuite) -> list[str]:
        content = suite.content
        if isinstance(content, PackageContent):
            name = re.split(r"[\[]", content.package)[0]
            return ["--pyargs", content.path or re.sub(r"[-.]", "_", name)]
        return [f"{{content}}/{content.path}" if content.path else "{content}"]
