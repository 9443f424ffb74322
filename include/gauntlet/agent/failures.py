"""The ways in which an agent gives up, and what of them may be shown.

A :class:`Refusal` ends up in the manifest, so everything in it passes :func:`masked` first. Nothing here does more
than carry words.
"""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@'\"]+@")
_SIGNED = re.compile(
    r"([?&](?:X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token|Signature|AWSAccessKeyId|sig|token|access_token"
    r"|api_?key|password)=)[^&\s'\"<>]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text without the credentials that URLs carry, in front of the host or in the query."""
    return _SIGNED.sub(r"\1***", _USER_INFO.sub(r"\1***@", text))


class Refusal(Exception):  # noqa: N818  (a decision that is reported, not a fault of the program)
    """The order cannot be carried out; becomes a manifest in the state ``could-not-run``.

    :param cause: a CamelCase word that programs can switch on.
    :param message: one sentence: what was wrong, where, and what to do.
    :param details: the last lines of what explains it.
    """

    def __init__(self, cause: str, message: str, details: str = "") -> None:
        self.cause = cause
        self.message = masked(message)
        self.details = masked(details)
        super().__init__(f"{cause}: {self.message}")


class UploadError(Exception):
    """The store did not take a file."""


class Cancelled(BaseException):
    """The pod was told to stop. Not an ``Exception``: only the outermost frame may catch it."""
