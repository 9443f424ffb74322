"""What the processes an agent starts get to see."""

from __future__ import annotations

from pathlib import Path

from gauntlet.agent import childenv
from gauntlet.agent.failures import Refusal, masked

POD = {
    "PATH": "/bin",
    "HOME": "/root",
    "LC_ALL": "de_DE.UTF-8",
    "HTTPS_PROXY": "http://proxy",
    "SSL_CERT_FILE": "/certs",
    "PIP_INDEX_URL": "https://index",
    "AWS_SECRET_ACCESS_KEY": "s",
    "TOKEN": "t",
    "PYTHONPATH": "/gauntlet",
    "GAUNTLET_WORK": "/w",
}


def for_tool(**chosen: str) -> dict[str, str]:
    """The tool's variables in that pod."""
    return childenv.for_tool(
        POD,
        bin_folder="/env/bin",
        home=Path("/w/home"),
        scratch=Path("/w/tmp"),
        chosen=chosen,
        secrets=["TOKEN", "ABSENT", "GAUNTLET_WORK"],
        plugin_path="/plugin",
        plugin={"GAUNTLET_TEST_EVENTS": "/e"},
    )


def test_a_tool_gets_the_allow_list_the_orders_variables_and_named_secrets() -> None:
    assert for_tool(COLOR="blue") == {
        "PATH": "/env/bin:/bin",
        "VIRTUAL_ENV": "/env",
        "HOME": "/w/home",
        "TMPDIR": "/w/tmp",
        "LANG": "C.UTF-8",
        "LC_ALL": "de_DE.UTF-8",
        "HTTPS_PROXY": "http://proxy",
        "SSL_CERT_FILE": "/certs",
        "COLOR": "blue",
        "TOKEN": "t",
        "PYTHONPATH": "/plugin",
        "GAUNTLET_TEST_EVENTS": "/e",
    }


def test_a_suites_own_path_comes_behind_the_plugin_and_cannot_replace_its_variables() -> None:
    env = for_tool(PYTHONPATH="src", GAUNTLET_TEST_EVENTS="/mine")
    assert env["PYTHONPATH"] == "/plugin:src"
    assert env["GAUNTLET_TEST_EVENTS"] == "/e"


def test_an_installer_gets_its_settings_and_no_secret() -> None:
    env = childenv.for_installer(POD, Path("/h"), Path("/t"))
    assert env["PIP_INDEX_URL"] == "https://index"
    assert not {"TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "GAUNTLET_WORK"} & set(env)


def test_credentials_in_addresses_are_masked_wherever_they_stand() -> None:
    text = "got https://me:pw@host/x and postgres://u@h, https://s3/b?X-Amz-Signature=ab12&X-Amz-Date=1 'git+ssh://t@g'"
    assert masked(text) == (
        "got https://***@host/x and postgres://***@h, https://s3/b?X-Amz-Signature=***&X-Amz-Date=1 'git+ssh://***@g'"
    )
    assert "pw" not in str(Refusal("X", "https://me:pw@host", "https://me:pw@host"))
