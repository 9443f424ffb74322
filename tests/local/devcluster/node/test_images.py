"""The catalogue says what an image's name means on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gauntlet.local.devcluster.node.images import CatalogueError, load


@pytest.mark.parametrize(
    "name",
    ["gauntlet/runner-python:dev", "registry.example:5000/team/gauntlet/runner-python:1.2", "gauntlet/runner-python",
     "busybox", "busybox:1.36", "docker.io/library/busybox:latest", "python:3.12-slim", "ubuntu@sha256:abc"],
)  # fmt: skip
def test_well_known_names_are_there(name: str) -> None:
    assert load([]).find(name) is not None


@pytest.mark.parametrize("name", ["busyboxes", "mycorp/python:3", "gauntlet/runner-pythonista:1", "nginx"])
def test_other_names_are_not(name: str) -> None:
    assert load([]).find(name) is None


def test_the_runner_image_has_the_base_interpreter_and_gauntlet_s_source() -> None:
    image = load([]).find("gauntlet/runner-python:dev")
    assert image is not None
    assert sys.prefix == sys.base_prefix or not image.path.startswith(sys.prefix)
    assert (Path(image.env["PYTHONPATH"]) / "gauntlet" / "__init__.py").exists()
    assert Path(image.env["GAUNTLET_UV"]).exists()


def test_a_file_of_one_s_own_goes_first(tmp_path: Path) -> None:
    file = tmp_path / "images.yaml"
    file.write_text("images: [{pattern: 'mine/*', path: ['/opt', '{system}'], env: {A: '{python}'}, command: [go]}]")
    image = load([file]).find("mine/thing:1")
    assert image is not None
    assert image.path.startswith("/opt:/usr/local/sbin")
    assert image.command == ("go",)
    assert Path(image.env["A"]).exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("images: 3", "a list `images`"), ("images: [{path: []}]", r"images\[0\]: expected a pattern"),
     ("images: [{pattern: x, colour: red}]", "fields among"),
     ("images: [{pattern: x, path: ['{nowhere}']}]", "no known placeholder"), ("{", "cannot be read")],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "images.yaml"
    file.write_text(text)
    with pytest.raises(CatalogueError, match=message) as problem:
        load([file])
    assert str(file) in str(problem.value)
