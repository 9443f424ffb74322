"""An order says all that a pod is to do, and holds no secret."""

from __future__ import annotations

from typing import Any

import pytest

from gauntlet.agent import contract
from gauntlet.testing import orders
from gauntlet.testing.frameworks.base import UnsupportedFrameworkError, framework
from gauntlet.testing.suite import TestSuite

UPLOAD = contract.Upload(kind="folder", prefix="runs/exec-1/shards/0/attempts/1")
NETWORKX = {"type": "package", "package": "networkx", "version": "3.6.1", "dependencies": ["pytest==9.0.2"]}


def suite(content: dict[str, Any] | None = None, **config: Any) -> TestSuite:
    return TestSuite.model_validate(
        {"kind": "TestSuite", "name": "x", "type": "pytest", "content": content or NETWORKX, "config": config}
    )


def order_of(one: TestSuite) -> contract.Order:
    return orders.shard_order(
        one,
        execution="exec-1",
        shard=0,
        attempt=1,
        cases=["a::b"],
        content=orders.content_for_pod(one, "", ""),
        environment=orders.environment_for_pod(one, cache_folder="", resolution_ttl_seconds=1),
        upload=UPLOAD,
        heartbeat_seconds=5,
    )


def key_of(one: TestSuite) -> str:
    content = orders.content_for_pod(one, "", "")
    return orders.inventory_key(
        one, content, orders.environment_for_pod(one, cache_folder="", resolution_ttl_seconds=1)
    )


def test_an_order_survives_its_way_to_the_pod() -> None:
    order = order_of(suite(env={"A": "1"}))
    assert contract.loads(contract.Order, contract.dumps(order)) == order


def test_a_secret_is_named_but_its_reference_does_not_travel() -> None:
    order = order_of(suite(env={"KEY": "${secrets.key}", "PLAIN": "1"}))
    assert order.secret_env == ["KEY"]
    assert order.env == {"PLAIN": "1"}


def test_a_packages_tests_are_rooted_where_it_is_installed() -> None:
    command = order_of(suite()).command
    assert "--rootdir={site_packages}" in command
    assert command[-2:] == ["--pyargs", "networkx"]


def test_pytest_comes_by_itself_unless_the_suite_names_one() -> None:
    bare = suite({"type": "package", "package": "x"})
    assert orders.environment_for_pod(bare, cache_folder="", resolution_ttl_seconds=1).requirements == ["pytest"]
    assert order_of(suite()).environment.requirements == ["pytest==9.0.2"]


def test_a_plugin_of_pytest_is_not_pytest() -> None:
    only_plugin = suite({"type": "package", "package": "x", "dependencies": ["pytest-cov"]})
    assert framework("pytest").requirements(only_plugin) == ["pytest"]


def test_an_inventory_is_reused_only_when_all_it_depends_on_is_fixed() -> None:
    assert key_of(suite())
    assert key_of(suite({"type": "package", "package": "networkx"})) == ""
    assert key_of(suite(env={"A": "${secrets.a}"})) == ""


def test_an_inventorys_key_changes_with_whatever_may_change_it() -> None:
    keys = {
        key_of(suite()),
        key_of(suite(args=["-k", "x"])),
        key_of(suite(env={"A": "1"})),
        key_of(suite(python="3.12")),
    }
    assert len(keys) == 4


def test_a_framework_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnsupportedFrameworkError, match=r"Installed are: .*pytest"):
        framework("k6")


def test_git_content_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(orders.UnfetchableContentError, match="Use folder"):
        orders.check_fetchable(suite({"type": "git", "repository": "https://x/y.git"}))


def test_an_artifact_in_s3_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(orders.UnfetchableContentError, match="Use an https"):
        orders.check_fetchable(suite({"type": "artifact", "artifactUrl": "s3://bucket/tests.zip"}))
