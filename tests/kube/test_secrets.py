"""A reference to a secret becomes what the kubelet resolves, and text around it stays text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gauntlet.kube import secrets


def test_a_reference_inside_a_text_is_expanded_by_kubernetes() -> None:
    part, whole = secrets.variables("AUTH", "Bearer ${secrets.token}")
    assert part["valueFrom"]["secretKeyRef"] == {"name": "gauntlet-secrets", "key": "token"}
    assert whole == {"name": "AUTH", "value": f"Bearer $({part['name']})"}


def test_text_that_looks_like_an_expansion_is_kept_as_it_is() -> None:
    *_, whole = secrets.variables("A", "$(HOME) ${secrets.x} $(B)")
    assert whole["value"] == "$$(HOME) $(GAUNTLET_SECRET_A_0) $$(B)"


def test_half_a_reference_is_malformed() -> None:
    assert secrets.is_malformed("${secrets.}")
    assert secrets.is_malformed("${secrets.a ${secrets.b}")
    assert not secrets.is_malformed("${secrets.ns/a} ${other}")


@given(st.text(max_size=50), st.text(max_size=50))
def test_each_reference_gets_one_variable(before: str, after: str) -> None:
    value = f"{before}${{secrets.k}}{after}"
    made = secrets.variables("V", value)
    assert sum("valueFrom" in variable for variable in made) == len(secrets.REFERENCE.findall(value))
