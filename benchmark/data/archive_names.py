"""Turns the bytes of a zip's names into text, whatever program on whatever computer wrote them."""

from __future__ import annotations

import math
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable
from zipfile import ZipInfo

_IS_UTF8 = 0x800
_UNICODE_PATH = 0x7075
"""Extra field of Info-ZIP, which holds the name in UTF-8."""


def member_names(members: Iterable[ZipInfo]) -> tuple[list[str], str | None]:
    """Read the names of a zip's members.

    Without a flag that names are UTF-8 they are in the encoding of the computer that wrote them,
    which the zip does not tell: the one in which they are the most likely words is taken.

    Returns:
        A name for each member, with ``/``, and the encoding, if it had to be guessed.
    """
    members = list(members)
    known = [_known(member) for member in members]
    unknown = [_raw(m) for m, name in zip(members, known, strict=True) if name is None]
    encoding = _guess(unknown) if unknown else None
    names = [
        (name if name is not None else _raw(member).decode(encoding or "utf-8")).replace("\\", "/")
        for member, name in zip(members, known, strict=True)
    ]
    return names, None if encoding == "utf-8" else encoding


def _known(member: ZipInfo) -> str | None:
    name = member.orig_filename
    if member.flag_bits & _IS_UTF8 or name.isascii():
        return name
    extra = member.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and field[1:5] == struct.pack("<I", zlib.crc32(_raw(member))):
            return field[5:].decode(errors="replace")
    return None


def _raw(member: ZipInfo) -> bytes:
    return member.orig_filename.encode("cp437")  # as Python has decoded it


def _guess(names: Iterable[bytes]) -> str:
    """Choose the encoding in which names without one are the most likely words."""
    words = sorted({word for name in names for word in name.replace(b"\\", b"/").split(b"/")})
    return max(("utf-8", *_CHANCES), key=lambda encoding: _likelihood(words, encoding))


def _likelihood(words: Iterable[bytes], encoding: str) -> float:
    """Logarithm of the chance that somebody writes these words, if this is their encoding."""
    try:
        decoded = [word.decode(encoding) for word in words]
    except UnicodeDecodeError:
        return -math.inf
    if encoding == "utf-8":
        return 0  # whose bytes are hardly ever right by chance
    chance = _CHANCES[encoding]
    rare = -3.0 if encoding == "cp949" else 0.0  # hangul and Chinese characters share their bytes
    return rare + sum(
        math.log(chance(one, before, after) if one > "\x7f" else 1 / 26)
        for word in decoded
        for before, one, after in zip(f" {word}", word, f"{word[1:]} ", strict=False)
    )


def _beside_ascii(before: str, after: str) -> bool:
    return (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())


def _latin(one: str, before: str, after: str) -> float:
    if not unicodedata.name(one, "").startswith("LATIN") or (one.isupper() and before.islower()):
        return _NEVER
    frequent = one.lower() in "äöüßéèêàâçñáíóúãåæø" and _beside_ascii(before, after)
    return 1 / 700 if frequent else 1 / 10_000


def _cyrillic(one: str, before: str, after: str) -> float:
    if not ("\u0410" <= one <= "\u044f" or one in "\u0401\u0451"):
        return _NEVER
    odd = _beside_ascii(before, after) or (one.isupper() and before.islower())
    return 1 / 5000 if odd else 1 / 64


def _asian(standard: str, leads: range, size: int) -> Callable[[str, str, str], float]:
    """Characters of a national standard; the usual ones, so many, have these leading bytes."""

    def chance(one: str, before: str, after: str) -> float:
        try:
            code = one.encode(standard)
        except UnicodeEncodeError:
            return _NEVER
        if len(code) != 2:
            return _NEVER
        mixed = 1 / 100 if _beside_ascii(before, after) else 1
        if standard == "euc_kr":
            return _hangul(one) * mixed
        kana = standard == "euc_jp" and "\u3041" <= one <= "\u30fe"
        return (1 / size if kana or code[0] in leads else 1 / 60_000) * mixed

    return chance


def _hangul(one: str) -> float:
    """Syllables by their vowel and their end, few of which make most of the words."""
    syllable = ord(one) - 0xAC00
    if not 0 <= syllable < 11_172:
        return _NEVER
    vowel, end = syllable // 28 % 21, syllable % 28
    return 1 / 800 if vowel in _KOREAN_VOWELS and end in _KOREAN_ENDS else 1 / 11_000


_NEVER = 1e-7
_KOREAN_VOWELS = {0, 1, 4, 5, 6, 8, 13, 18, 20}
_KOREAN_ENDS = {0, 1, 4, 8, 16, 21}
_CHANCES: dict[str, Callable[[str, str, str], float]] = {
    "gbk": _asian("gb2312", range(0xB0, 0xD8), 3755),
    "cp932": _asian("euc_jp", range(0xB0, 0xD0), 3130),
    "cp949": _asian("euc_kr", range(0xB0, 0xC9), 2350),
    "big5": _asian("big5", range(0xA4, 0xC7), 5401),
    "cp866": _cyrillic,
    "cp1251": _cyrillic,
    "cp437": _latin,
    "cp850": _latin,
    "cp1252": _latin,
}
"""How likely a character is between two others, in the encodings of Windows' file names."""
