"""Keeping the values of secrets out of what is stored: the tool's output, the pod's log, cases and the manifest.

A tool that prints its token must not publish it. Reports and artifacts are the tool's own files and are stored as
they are; values of fewer than six characters are left alone, because masking them would tear ordinary text apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

MASK = b"***"
MIN_SECRET_CHARACTERS = 6


class Redactor:
    """Masks some values, as they are and as JSON writes them.

    :param secrets: the values.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms: dict[bytes, None] = {}
        for secret in secrets:
            if len(secret) >= MIN_SECRET_CHARACTERS:
                for text in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
                    forms[text.encode("utf-8", "surrogateescape")] = None
        self._forms = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(form) for form in self._forms)) if forms else None
        self._held = b""

    def whole(self, data: bytes) -> bytes:
        """All of some data, masked."""
        return self._pattern.sub(MASK, data) if self._pattern else data

    def text(self, text: str) -> str:
        """A text, masked."""
        return self.whole(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def next(self, data: bytes) -> bytes:
        """The next part of a stream, masked; what may be the beginning of a secret is held back."""
        if not self._pattern:
            return data
        data = self._held + data
        border = self._border(data)
        self._held = data[border:]
        return self.whole(data[:border])

    def rest(self) -> bytes:
        """What was held back when the stream ended."""
        rest, self._held = self.whole(self._held), b""
        return rest

    def _border(self, data: bytes) -> int:
        """Where to cut: before the longest end that may grow into a secret, and through no secret."""
        longest = len(self._forms[0])
        start = max(0, len(data) - longest)
        ends = (at for at in range(start, len(data)) if any(form.startswith(data[at:]) for form in self._forms))
        border = next(ends, len(data))
        cut = self._secret_through(data, border)
        while cut is not None:
            border = cut
            cut = self._secret_through(data, border)
        return border

    def _secret_through(self, data: bytes, border: int) -> int | None:
        """Where a secret starts that a cut would go through, or None."""
        for form in self._forms:
            at = data.find(form, max(0, border - len(form) + 1), border + len(form) - 1)
            if 0 <= at < border:
                return at
        return None
