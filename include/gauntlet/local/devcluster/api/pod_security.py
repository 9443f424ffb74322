"""Pod Security admission: the checks of the `baseline` and `restricted` profiles that concern pod fields. Pure.

It exists so that a pod which a hardened cluster would refuse is refused here too, in the same words.
Source: k8s.io/pod-security-admission v0.34, policy/check_*.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

LABEL_PREFIX = "pod-security.kubernetes.io/"
Spec: TypeAlias = dict[str, Any]
Check: TypeAlias = Callable[[Spec], str]

_ALLOWED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_BASELINE_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_SAFE_SECCOMP = ("RuntimeDefault", "Localhost")


def violations(spec: Spec, level: str) -> str:
    """Return what a pod specification violates at a level, in admission's words; empty when nothing.

    Args:
        spec: the pod's `spec`.
        level: "privileged", "baseline" or "restricted"; an unknown one counts as restricted, as in Kubernetes.
    """
    if level == "privileged":
        return ""
    checks = _BASELINE if level == "baseline" else _RESTRICTED
    return ", ".join(found for check in checks if (found := check(spec)))


def _containers(spec: Spec) -> Iterator[Spec]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group) or []


def _security(item: Spec) -> Spec:
    return item.get("securityContext") or {}


def _quoted(items: list[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def _plural(word: str, items: list[str]) -> str:
    return word if len(items) == 1 else word + "s"


def _named(items: list[str]) -> str:
    return f"{_plural('container', items)} {_quoted(items)}"


def _bad(spec: Spec, test: Callable[[Spec], bool]) -> list[str]:
    return [container.get("name", "") for container in _containers(spec) if test(container)]


def _privileged(spec: Spec) -> str:
    bad = _bad(spec, lambda c: bool(_security(c).get("privileged")))
    return f"privileged ({_named(bad)} must not set securityContext.privileged=true)" if bad else ""


def _host_namespaces(spec: Spec) -> str:
    bad = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return f"host namespaces ({', '.join(bad)})" if bad else ""


def _host_ports(spec: Spec) -> str:
    bad = _bad(spec, lambda c: any(port.get("hostPort") for port in c.get("ports") or []))
    ports = sorted({str(p["hostPort"]) for c in _containers(spec) for p in c.get("ports") or [] if p.get("hostPort")})
    if not bad:
        return ""
    verb = "uses" if len(bad) == 1 else "use"
    return f"hostPort ({_named(bad)} {verb} {_plural('hostPort', ports)} {', '.join(ports)})"


def _host_path(spec: Spec) -> str:
    bad = [volume["name"] for volume in spec.get("volumes") or [] if "hostPath" in volume]
    return f"hostPath volumes ({_plural('volume', bad)} {_quoted(bad)})" if bad else ""


def _baseline_capabilities(spec: Spec) -> str:
    def added(container: Spec) -> set[str]:
        return set((_security(container).get("capabilities") or {}).get("add") or []) - _BASELINE_CAPABILITIES

    bad = _bad(spec, lambda c: bool(added(c)))
    if not bad:
        return ""
    names = sorted(set[str]().union(*(added(c) for c in _containers(spec))))
    what = f"{_named(bad)} must not include {_quoted(names)} in securityContext.capabilities.add"
    return f"non-default capabilities ({what})"


def _privilege_escalation(spec: Spec) -> str:
    bad = _bad(spec, lambda c: _security(c).get("allowPrivilegeEscalation") is not False)
    what = f"{_named(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({what})" if bad else ""


def _restricted_capabilities(spec: Spec) -> str:
    def capabilities(container: Spec) -> Spec:
        return _security(container).get("capabilities") or {}

    keeps = _bad(spec, lambda c: "ALL" not in (capabilities(c).get("drop") or []))
    adds = _bad(spec, lambda c: bool(set(capabilities(c).get("add") or []) - {"NET_BIND_SERVICE"}))
    details = [f'{_named(keeps)} must set securityContext.capabilities.drop=["ALL"]'] if keeps else []
    if adds:
        found = {x for c in _containers(spec) for x in capabilities(c).get("add") or []} - {"NET_BIND_SERVICE"}
        details.append(f"{_named(adds)} must not include {_quoted(sorted(found))} in securityContext.capabilities.add")
    return f"unrestricted capabilities ({'; '.join(details)})" if details else ""


def _restricted_volumes(spec: Spec) -> str:
    kinds = {v["name"]: next((k for k in v if k != "name"), "emptyDir") for v in spec.get("volumes") or []}
    bad = [name for name, kind in kinds.items() if kind not in _ALLOWED_VOLUMES]
    if not bad:
        return ""
    types = sorted({kinds[name] for name in bad})
    verb = "uses" if len(bad) == 1 else "use"
    what = f"{_plural('volume', bad)} {_quoted(bad)} {verb} {_plural('restricted volume type', types)} {_quoted(types)}"
    return f"restricted volume types ({what})"


def _run_as_non_root(spec: Spec) -> str:
    pod = _security(spec).get("runAsNonRoot")
    refused = _bad(spec, lambda c: _security(c).get("runAsNonRoot") is False)
    setters = (["pod"] if pod is False else []) + ([_named(refused)] if refused else [])
    if setters:
        return f"runAsNonRoot != true ({' and '.join(setters)} must not set securityContext.runAsNonRoot=false)"
    bad = [] if pod else _bad(spec, lambda c: _security(c).get("runAsNonRoot") is None)
    what = f"pod or {_named(bad)} must set securityContext.runAsNonRoot=true"
    return f"runAsNonRoot != true ({what})" if bad else ""


def _run_as_user(spec: Spec) -> str:
    bad = _bad(spec, lambda c: _security(c).get("runAsUser") == 0)
    setters = (["pod"] if _security(spec).get("runAsUser") == 0 else []) + ([_named(bad)] if bad else [])
    return f"runAsUser=0 ({' and '.join(setters)} must not set runAsUser=0)" if setters else ""


def _seccomp_type(item: Spec) -> str | None:
    profile = _security(item).get("seccompProfile")
    return None if profile is None else str(profile.get("type", ""))


def _seccomp_baseline(spec: Spec) -> str:
    bad = _bad(spec, lambda c: _seccomp_type(c) == "Unconfined")
    setters = (["pod"] if _seccomp_type(spec) == "Unconfined" else []) + ([_named(bad)] if bad else [])
    what = f'{" and ".join(setters)} must not set securityContext.seccompProfile.type to "Unconfined"'
    return f"seccompProfile ({what})" if setters else ""


def _seccomp_restricted(spec: Spec) -> str:
    pod = _seccomp_type(spec)
    wrong = _bad(spec, lambda c: _seccomp_type(c) not in (None, *_SAFE_SECCOMP))
    setters = (["pod"] if pod not in (None, *_SAFE_SECCOMP) else []) + ([_named(wrong)] if wrong else [])
    if setters:
        types = {_seccomp_type(item) for item in (spec, *_containers(spec))} - {None, *_SAFE_SECCOMP}
        values = _quoted(sorted(str(value) for value in types))
        return f"seccompProfile ({' and '.join(setters)} must not set securityContext.seccompProfile.type to {values})"
    bad = [] if pod else _bad(spec, lambda c: _seccomp_type(c) is None)
    what = f'pod or {_named(bad)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile ({what})" if bad else ""


_SHARED: tuple[Check, ...] = (_host_namespaces, _host_ports, _privileged)
_BASELINE: tuple[Check, ...] = (_baseline_capabilities, *_SHARED, _host_path, _seccomp_baseline)
_RESTRICTED: tuple[Check, ...] = (
    *_SHARED, _privilege_escalation, _restricted_capabilities, _restricted_volumes, _run_as_non_root, _run_as_user,
    _seccomp_restricted,
)  # fmt: skip
