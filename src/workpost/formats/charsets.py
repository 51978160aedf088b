"""Bytes to text for every charset that mail names (RFC 2045 5.2, RFC 2978).

Only charsets of a fixed table are ever handed to Python's codec registry: looking up a name of
the sender's choice would import modules, grow the registry's cache without bound and reach
codecs that are quadratic (punycode) or not text at all.
"""

from __future__ import annotations

_UTF8 = "utf-8"
_FALLBACK = "cp1252"


def _table() -> dict[str, str]:
    table = {
        # Senders label 8-bit text as ASCII so often that reading it as UTF-8 is the better guess.
        "us-ascii": _UTF8,
        "ascii": _UTF8,
        "ansi_x3.4-1968": _UTF8,
        "utf-8": _UTF8,
        "utf8": _UTF8,
        "unicode-1-1-utf-8": _UTF8,
        "utf-7": "utf-7",
        "unicode-1-1-utf-7": "utf-7",
        "utf-16": "utf-16",
        "utf-16le": "utf-16-le",
        "utf-16be": "utf-16-be",
        # Real mail that says Latin-1 means the Windows superset of it.
        "iso-8859-1": _FALLBACK,
        "iso8859-1": _FALLBACK,
        "latin1": _FALLBACK,
        "latin-1": _FALLBACK,
        "gb2312": "gb18030",
        "gbk": "gb18030",
        "gb18030": "gb18030",
        "x-gbk": "gb18030",
        "hz-gb-2312": "hz",
        "big5": "big5",
        "big5-hkscs": "big5hkscs",
        "shift_jis": "cp932",
        "shift-jis": "cp932",
        "sjis": "cp932",
        "x-sjis": "cp932",
        "windows-31j": "cp932",
        "euc-jp": "euc_jp",
        "iso-2022-jp": "iso2022_jp_ext",
        "iso-2022-jp-1": "iso2022_jp_1",
        "iso-2022-jp-2": "iso2022_jp_2",
        "euc-kr": "cp949",
        "ks_c_5601-1987": "cp949",
        "cp949": "cp949",
        "iso-2022-kr": "iso2022_kr",
        "koi8-r": "koi8_r",
        "koi8-u": "koi8_u",
        "tis-620": "cp874",
        "windows-874": "cp874",
        "macintosh": "mac_roman",
        "x-mac-cyrillic": "mac_cyrillic",
    }
    for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16):
        table[f"iso-8859-{number}"] = table[f"iso8859-{number}"] = f"iso8859_{number}"
    for number in range(1250, 1259):
        table[f"windows-{number}"] = table[f"cp{number}"] = table[f"x-cp{number}"] = f"cp{number}"
    for number in (437, 850, 852, 866):
        table[f"ibm{number}"] = table[f"cp{number}"] = f"cp{number}"
    return table


_CODECS = _table()


def decode(data: bytes, charset: str = "") -> str:
    """Return `data` as text in `charset`; never raises.

    An unknown or missing charset is read as UTF-8 where that fits and as Windows-1252 where it
    does not. Bytes that the charset does not have become U+FFFD. The result holds no lone
    surrogates, so it can always be encoded again.
    """
    codec = _CODECS.get(charset) or _CODECS.get(charset.strip(" \t\"'").lower(), _UTF8)
    if codec == _UTF8:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode(_FALLBACK, "replace")
    text = data.decode(codec, "replace")
    if codec == "utf-7":
        return text.encode(_UTF8, "replace").decode()
    return text
