"""A container's environment and command line, the way kubelet makes them. Pure: what it needs is handed in.

Sources: pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), third_party/forked/golang/expansion.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from gauntlet.local.devcluster.store.quantities import parse

Object: TypeAlias = dict[str, Any]
Find: TypeAlias = Callable[[str, str], Object | None]
_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


class ConfigError(Exception):
    """The container cannot be configured (CreateContainerConfigError); the message is kubelet's."""


@dataclass(frozen=True)
class Surroundings:
    """What the environment may refer to.

    `find(kind, name)` returns a "ConfigMap" or "Secret" of the pod's namespace, or None; `allocatable` is the node's.
    """

    pod: Object
    find: Find
    allocatable: Mapping[str, str]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value where it is known and ``$$`` by ``$``; leave everything else."""

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


def environment(container: Object, around: Surroundings) -> dict[str, str]:
    """Return the variables a container's envFrom and env give it. Raises ConfigError."""
    result: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        result |= _from_source(source, around)
    for entry in container.get("env") or []:
        reference = entry.get("valueFrom")
        if reference:
            value = _reference(reference, container, around)
            if value is not None:
                result[entry["name"]] = value
        else:
            result[entry["name"]] = expand(entry.get("value") or "", result)
    return result


def data_of(obj: Object, kind: str) -> dict[str, bytes]:
    """Return the bytes a ConfigMap or Secret holds by key."""
    if kind == "Secret":
        return {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    plain = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    return plain | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def _from_source(source: Object, around: Surroundings) -> dict[str, str]:
    kind, reference = (
        ("Secret", source["secretRef"]) if "secretRef" in source else ("ConfigMap", source["configMapRef"])
    )
    found = around.find(kind, reference.get("name", ""))
    if found is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{reference.get("name", "")}" not found')
    prefix = source.get("prefix") or ""
    return {prefix + key: value.decode(errors="replace") for key, value in data_of(found, kind).items()}


def _reference(reference: Object, container: Object, around: Surroundings) -> str | None:
    if "fieldRef" in reference:
        return field(around.pod, reference["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in reference:
        return resource(reference["resourceFieldRef"], container, around)
    kind, selector = (
        ("Secret", reference["secretKeyRef"]) if "secretKeyRef" in reference
        else ("ConfigMap", reference["configMapKeyRef"])
    )  # fmt: skip
    name, key = selector.get("name", ""), selector["key"]
    found = around.find(kind, name)
    if found is None:
        if selector.get("optional"):
            return None
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    data = data_of(found, kind)
    if key not in data:
        if selector.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {key} in {kind} {around.pod['metadata']['namespace']}/{name}")
    return data[key].decode(errors="replace")


def field(pod: Object, path: str) -> str:
    """Return the value of a fieldRef. Raises ConfigError for a path kubelet does not support."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    keyed = _KEYED.match(path)
    if keyed:
        return str((metadata.get(keyed[1]) or {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        items = sorted((metadata.get(path.partition(".")[2]) or {}).items())
        return "\n".join(f'{key}="{_quoted(str(value))}"' for key, value in items)
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
    }
    if path not in known:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(known[path])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource(reference: Object, container: Object, around: Surroundings) -> str:
    """Return the value of a resourceFieldRef: what is asked for, else what the node has, in whole divisors."""
    group, _, name = reference["resource"].partition(".")
    wanted = reference.get("containerName")
    if wanted:
        spec = around.pod["spec"]
        candidates = [*(spec.get("initContainers") or []), *spec["containers"]]
        container = next((c for c in candidates if c["name"] == wanted), container)
    given = ((container.get("resources") or {}).get(group) or {}).get(name)
    if given is None:
        given = around.allocatable.get(name, "0") if group == "limits" else "0"
    divisor = parse(reference.get("divisor") or "1") or Fraction(1)
    return str(math.ceil(parse(given) / divisor))
