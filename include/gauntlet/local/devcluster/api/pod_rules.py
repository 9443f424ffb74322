"""What makes a pod invalid: the rules that matter here, every broken one at once. Pure.

Source: pkg/apis/core/validation/validation.go of Kubernetes 1.34.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gauntlet.local.devcluster.api import schema
from gauntlet.local.devcluster.api.errors import (
    Cause,
    duplicate,
    forbidden_field,
    invalid_value,
    not_found_value,
    required,
    unsupported,
)
from gauntlet.local.devcluster.api.names import environment_problem, label_problem
from gauntlet.local.devcluster.store.objects import Object
from gauntlet.local.devcluster.store.quantities import QuantityError, parse

RESTART_POLICIES = ("Always", "OnFailure", "Never")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
VOLUME_SOURCES = (
    "emptyDir", "hostPath", "configMap", "secret", "projected", "downwardAPI", "persistentVolumeClaim",
)  # fmt: skip
_UPDATE_SENTENCE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate(new: Object, old: Object | None) -> list[Cause]:
    """Return what is wrong with a pod, or with its change from `old`."""
    spec = new.get("spec") or {}
    if old is not None:
        return _update_causes(spec, old["spec"])
    volumes = [volume.get("name", "") for volume in spec.get("volumes") or []]
    found = [*_volumes(spec), *_pod_fields(spec)]
    containers = [
        (f"spec.{group}[{index}]", container)
        for group in ("initContainers", "containers")
        for index, container in enumerate(spec.get(group) or [])
    ]
    if not spec.get("containers"):
        found.append(required("spec.containers"))
    seen: set[str] = set()
    for path, container in containers:
        found += _container(path, container, volumes)
        if container.get("name") in seen:
            found.append(duplicate(f"{path}.name", container["name"]))
        seen.add(container.get("name", ""))
    said = {cause.field for cause in found}
    return [*found, *(required(path) for path in schema.missing(spec, "V1PodSpec", "spec") if path not in said)]


def _update_causes(new: dict[str, Any], old: dict[str, Any]) -> list[Cause]:
    if _frozen(new) != _frozen(old):
        return [forbidden_field("spec", _UPDATE_SENTENCE)]
    return []


def _frozen(spec: dict[str, Any]) -> dict[str, Any]:
    free = {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}
    kept = {key: value for key, value in spec.items() if key not in free}
    for group in ("containers", "initContainers"):
        if group in kept:
            kept[group] = [{k: v for k, v in c.items() if k != "image"} for c in kept[group]]
    return kept


def _pod_fields(spec: dict[str, Any]) -> Iterator[Cause]:
    if spec.get("restartPolicy") not in RESTART_POLICIES:
        yield unsupported("spec.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        yield invalid_value("spec.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        value = spec["terminationGracePeriodSeconds"]
        yield invalid_value("spec.terminationGracePeriodSeconds", value, "must be greater than or equal to 0")


def _volumes(spec: dict[str, Any]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or []):
        path, name = f"spec.volumes[{index}]", volume.get("name", "")
        if not name:
            yield required(f"{path}.name")
        elif label_problem(name):
            yield invalid_value(f"{path}.name", name, label_problem(name))
        elif name in seen:
            yield duplicate(f"{path}.name", name)
        seen.add(name)
        sources = [key for key in volume if key != "name"]
        if len(sources) > 1:
            yield forbidden_field(f"{path}.{sources[1]}", "may not specify more than 1 volume type")
        for source in sources:
            if source not in VOLUME_SOURCES:
                yield unsupported(path, source, VOLUME_SOURCES)
        yield from _volume_references(volume, path)


def _volume_references(volume: dict[str, Any], path: str) -> Iterator[Cause]:
    for source, field in (
        ("configMap", "name"), ("secret", "secretName"), ("persistentVolumeClaim", "claimName"), ("hostPath", "path"),
    ):  # fmt: skip
        if source in volume and not (volume[source] or {}).get(field):
            yield required(f"{path}.{source}.{field}")
    limit = (volume.get("emptyDir") or {}).get("sizeLimit")
    if limit is not None:
        yield from quantity_causes(limit, f"{path}.emptyDir.sizeLimit")


def _container(path: str, container: dict[str, Any], volumes: list[str]) -> Iterator[Cause]:
    name = container.get("name", "")
    if not name:
        yield required(f"{path}.name")
    elif label_problem(name):
        yield invalid_value(f"{path}.name", name, label_problem(name))
    if not container.get("image"):
        yield required(f"{path}.image")
    elif container["image"].strip() != container["image"]:
        yield invalid_value(f"{path}.image", container["image"], "must not have leading or trailing whitespace")
    if container.get("imagePullPolicy") not in PULL_POLICIES:
        yield unsupported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES)
    yield from _environment(path, container)
    yield from _mounts(path, container, volumes)
    yield from _resources(path, container.get("resources") or {})
    for index, port in enumerate(container.get("ports") or []):
        number = port.get("containerPort")
        if not isinstance(number, int) or not 1 <= number <= 65535:
            yield invalid_value(
                f"{path}.ports[{index}].containerPort", number, "must be between 1 and 65535, inclusive"
            )


def _environment(path: str, container: dict[str, Any]) -> Iterator[Cause]:
    for index, entry in enumerate(container.get("env") or []):
        where, name = f"{path}.env[{index}]", entry.get("name", "")
        if not name:
            yield required(f"{where}.name")
        elif environment_problem(name):
            yield invalid_value(f"{where}.name", name, environment_problem(name))
        source = entry.get("valueFrom")
        if source is None:
            continue
        if entry.get("value"):
            yield invalid_value(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")
        if sum(key in source for key in ENV_SOURCES) != 1:
            yield invalid_value(f"{where}.valueFrom", "", f"must specify one of: `{'`, `'.join(ENV_SOURCES)}`")


def _mounts(path: str, container: dict[str, Any], volumes: list[str]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        where = f"{path}.volumeMounts[{index}]"
        if not mount.get("name"):
            yield required(f"{where}.name")
        elif mount["name"] not in volumes:
            yield not_found_value(f"{where}.name", mount["name"])
        target = mount.get("mountPath", "")
        if not target:
            yield required(f"{where}.mountPath")
        elif target in seen:
            yield invalid_value(f"{where}.mountPath", target, "must be unique")
        seen.add(target)
        for field in ("subPath", "subPathExpr"):
            if ".." in (mount.get(field) or "").split("/"):
                yield invalid_value(f"{where}.{field}", mount[field], "must not contain '..'")
            if (mount.get(field) or "").startswith("/"):
                yield invalid_value(f"{where}.{field}", mount[field], "must be a relative path")


def quantity_causes(value: Any, path: str) -> list[Cause]:
    """Return what is wrong with a quantity: its form, or that it is negative."""
    try:
        negative = parse(value) < 0
    except QuantityError as problem:
        return [invalid_value(path, value, str(problem))]
    return [invalid_value(path, value, "must be greater than or equal to 0")] if negative else []


def _resources(path: str, resources: dict[str, Any]) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    found = [
        cause
        for group, values in (("limits", limits), ("requests", requests))
        for name, value in values.items()
        for cause in quantity_causes(value, f"{path}.resources.{group}[{name}]")
    ]
    yield from found
    if found:
        return
    for name in requests.keys() & limits.keys():
        if parse(requests[name]) > parse(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            yield invalid_value(f"{path}.resources.requests", requests[name], detail)
