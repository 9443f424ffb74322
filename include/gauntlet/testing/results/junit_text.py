"""Turns the bytes of an XML report into text that an XML parser takes, whatever the tool has written into it.

Tools write control characters, lone surrogates, broken UTF-8 and references to characters that XML does not have;
a strict parser ends there and the rest of the report is lost. Here each becomes U+FFFD. Streaming: what may go on in
the next chunk is held back.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

_DECLARED = re.compile(rb"""^<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
#: The longest character reference; a shorter rest after an ampersand may be the beginning of one.
_LONGEST_REFERENCE = 14
_HEAD_BYTES = 256


def clean_chunks(chunks: Iterator[bytes]) -> Iterator[str]:
    """The text of a report, chunk by chunk, without anything that XML 1.0 forbids."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    encoding, start = _encoding(head)
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    # Tools put empty lines before the declaration, which XML forbids too.
    held = decoder.decode(head[start:]).lstrip()
    for chunk in chunks:
        ready, held = _split(held)
        yield _clean(ready)
        held += decoder.decode(chunk)
    yield _clean(held + decoder.decode(b"", True))


def _encoding(head: bytes) -> tuple[str, int]:
    """The encoding by byte-order mark, else by declaration, else UTF-8; and where the text begins."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, len(mark)
    if head[:4] in (b"<\0?\0", b"<\0t\0"):
        return "utf-16-le", 0
    if head[:4] in (b"\0<\0?", b"\0<\0t"):
        return "utf-16-be", 0
    declared = _DECLARED.match(head.lstrip())
    if declared is None:
        return "utf-8", 0
    name = declared[1].decode("ascii")
    try:
        info = codecs.lookup(name)
    except LookupError:
        return "utf-8", 0
    # A declaration that could be read as ASCII cannot be telling the truth about UTF-16; and codecs such as
    # base64 are no encodings of text.
    wide = info.name.startswith(("utf-16", "utf-32"))
    return ("utf-8" if wide or not info._is_text_encoding else info.name), 0


def _split(text: str) -> tuple[str, str]:
    """What can be cleaned now, and an end that may be half a reference."""
    ampersand = text.rfind("&", max(0, len(text) - _LONGEST_REFERENCE))
    if ampersand < 0 or ";" in text[ampersand:]:
        return text, ""
    return text[:ampersand], text[ampersand:]


def _clean(text: str) -> str:
    if _UNSPEAKABLE.search(text) is not None:
        text = _UNSPEAKABLE.sub("\ufffd", text)
    return _REFERENCE.sub(_reference, text) if "&#" in text else text


def _reference(match: re.Match[str]) -> str:
    number = int(match[1], 16) if match[1] else int(match[2])
    if number > 0x10FFFF or _UNSPEAKABLE.match(chr(number)):
        return "\ufffd"
    return match[0]
