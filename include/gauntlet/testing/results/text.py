"""Small decisions about text and numbers that every report shares."""

from __future__ import annotations

import re

#: What XML 1.0 and HTML cannot say, not even escaped (https://www.w3.org/TR/xml/#charsets).
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def speakable(text: str) -> str:
    """Text with every character that XML or UTF-8 cannot carry replaced by U+FFFD."""
    return _UNSPEAKABLE.sub("\ufffd", text)


def cut(text: str, max_characters: int) -> str:
    """The head and the tail of a long text, with a line between that says how much is left out."""
    if len(text) <= max_characters:
        return text
    head = max_characters * 2 // 3
    tail = max_characters - head
    left_out = len(text) - max_characters
    return f"{text[:head]}\n… {left_out:,} characters left out …\n{text[-tail:]}"


def duration(milliseconds: float) -> str:
    """A duration for people: ``340 ms``, ``12.3 s``, ``4 min 05 s``, ``2 h 03 min``."""
    if milliseconds < 1:
        return "0 ms" if milliseconds <= 0 else "< 1 ms"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """A number of bytes for people, in powers of 1024."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
