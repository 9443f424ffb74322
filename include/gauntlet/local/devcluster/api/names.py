"""What a name may look like. Pure; each function returns the problem in Kubernetes' words, or nothing.

Source: k8s.io/apimachinery/pkg/util/validation.
"""

from __future__ import annotations

import re

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_ENVIRONMENT = re.compile(r"^[ -<>-~]+$")


def label_problem(name: str) -> str:
    """Check an RFC 1123 label (container and namespace names)."""
    if len(name) > 63:
        return "must be no more than 63 characters"
    if not _LABEL.match(name):
        return (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
            "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        )
    return ""


def subdomain_problem(name: str) -> str:
    """Check an RFC 1123 subdomain (most names)."""
    if len(name) > 253:
        return "must be no more than 253 characters"
    if not _SUBDOMAIN.match(name):
        return (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
    return ""


def environment_problem(name: str) -> str:
    """Check an environment variable's name."""
    if not _ENVIRONMENT.match(name):
        return "a valid environment variable name must consist only of printable ASCII characters other than '='"
    return ""
