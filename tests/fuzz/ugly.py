"""A corpus of ugly mail: every shape is one that some program sends, or that an attacker would.

Each message could travel by SMTP as it is: CRLF line ends, no NUL. It must be accepted, kept byte
for byte, and told to every client without an error.
"""

from __future__ import annotations

_FROM = b"From: Ada <ada@example.test>\r\nTo: grace@example.test\r\n"
_DATE = b"Date: Fri, 27 Nov 2026 10:00:00 +0000\r\n"
_HEAD = _FROM + _DATE + b"Subject: ugly\r\nMessage-ID: <ugly@example.test>\r\n"


def _multipart(boundary: bytes, *parts: bytes, end: bool = True, kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    head = b"MIME-Version: 1.0\r\nContent-Type: multipart/%b; boundary=%b\r\n\r\n" % (
        kind,
        boundary,
    )
    return _HEAD + head + body + (b"--" + boundary + b"--\r\n" if end else b"")


def _nested(depth: int) -> bytes:
    inner = b"Content-Type: text/plain\r\n\r\nleaf\r\n"
    for level in range(depth):
        mark = b"n%d" % level
        inner = b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n%b\r\n--%b--\r\n" % (
            mark,
            mark,
            inner,
            mark,
        )
    return _HEAD + b"MIME-Version: 1.0\r\n" + inner


UGLY: dict[str, bytes] = {
    "nothing but a body line": b"hello\r\n",
    "an empty message": b"\r\n",
    "a header and no body": _HEAD,
    "a header that never ends": _HEAD + b"X-Last: no empty line",
    "no From": b"To: grace@example.test\r\n\r\nhello\r\n",
    "two of everything": _HEAD + _HEAD + b"\r\nhello\r\n",
    "two Content-Types": _HEAD
    + b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n",
    "no space behind the colon": b"From:ada@example.test\r\nSubject:x\r\n\r\nhello\r\n",
    "a space before the colon": b"From : ada@example.test\r\nSubject\t: x\r\n\r\nhello\r\n",
    "a line without a colon": _HEAD + b"this is no field\r\nX-After: y\r\n\r\nhello\r\n",
    "begins with a continuation": b" continued\r\n" + _HEAD + b"\r\nhello\r\n",
    "a From_ line of mbox": b"From ada Fri Nov 27 10:00:00 2026\r\n" + _HEAD + b"\r\nhello\r\n",
    "folded between every word": _HEAD.replace(
        b"Subject: ugly", b"Subject:\r\n\tug\r\n ly\r\n \t\r\n x"
    )
    + b"\r\nhello\r\n",
    "a field of blanks only": _HEAD + b"X-Blank: \r\n \t \r\n\r\nhello\r\n",
    "8-bit header without SMTPUTF8": b"From: J\xf6rg <ada@example.test>\r\nSubject: \xe4\xff\r\n\r\nx\r\n",
    "UTF-8 header": "From: Jörg <ada@example.test>\r\nSubject: 日本語 🎉\r\n\r\nx\r\n".encode(),
    "controls in the subject": _HEAD.replace(b"ugly\r\n", b"a\x01\x07\x1b[31mb\x7f\r\n", 1)
    + b"\r\nx\r\n",
    "broken encoded words": _FROM
    + b"Subject: =?utf-8?B?4pyT?= =?utf-8?Q?=ZZ?= =?x?B?///?= =?utf-8?b?w?= =?utf-8?q?\r\n\r\nx\r\n",
    "an unknown charset": _FROM + b"Subject: =?klingon?Q?nuqneH?=\r\n\r\nx\r\n",
    "encoded words split in a character": _FROM
    + b"Subject: =?utf-8?B?4pw=?= =?utf-8?B?kw==?=\r\n\r\nx\r\n",
    "an endless line": _HEAD + b"\r\n" + b"x" * 100_000 + b"\r\n",
    "an endless field": _HEAD + b"X-Long: " + b"y" * 60_000 + b"\r\n\r\nhello\r\n",
    "a thousand fields": _HEAD + b"X-F: v\r\n" * 1000 + b"\r\nhello\r\n",
    "a group and a route in From": b"From: undisclosed: ;\r\nTo: <@a.test,@b.test:c@d.test>\r\n\r\nx\r\n",
    "comments in addresses": b"From: (a (nested) comment) ada (x) @ (y) example . test\r\n\r\nx\r\n",
    "unclosed quote in From": b'From: "Ada <ada@example.test>\r\n\r\nx\r\n',
    "an address with two ats": b"From: <ada@example.test@other.test>\r\n\r\nx\r\n",
    "500 recipients in one field": b"From: ada@example.test\r\nTo: "
    + b",\r\n ".join(b"u%d@example.test" % n for n in range(500))
    + b"\r\n\r\nx\r\n",
    "a date of nowhere": b"From: ada@example.test\r\nDate: Foo, 99 Bar 20026 25:61:61 +9999\r\n\r\nx\r\n",
    "a boundary that never comes": _HEAD
    + b'Content-Type: multipart/mixed; boundary="none"\r\n\r\nhello\r\n',
    "no boundary parameter": _HEAD + b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nhello\r\n",
    "an empty boundary": _HEAD
    + b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nx\r\n----\r\n',
    "a boundary that begins another": _multipart(
        b"a", _multipart(b"ab", b"\r\none")[len(_HEAD) :], b"\r\ntwo"
    ),
    "no end of the multipart": _multipart(b"x", b"\r\none", b"\r\ntwo", end=False),
    "text around the parts": _multipart(b"x", b"\r\none").replace(
        b"\r\n\r\n--x", b"\r\n\r\npreamble\r\n--x"
    )
    + b"epilogue\r\n",
    "the same boundary inside": _multipart(b"x", _multipart(b"x", b"\r\none")[len(_HEAD) :]),
    "a hundred levels": _nested(100),
    "a thousand parts": _multipart(b"x", *(b"\r\np%d" % n for n in range(1000))),
    "base64 with rubbish": _multipart(
        b"x", b"Content-Transfer-Encoding: base64\r\n\r\n!!!aGVs\r\n bG8*\r\n=\r\n===\r\nQQ"
    ),
    "quoted-printable that ends in =": _multipart(
        b"x", b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=\r\nb=ZZ=3\r\n="
    ),
    "an encoding on a multipart": _HEAD
    + b"Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + b"--x\r\n\r\nhello\r\n--x--\r\n",
    "an unknown encoding": _multipart(
        b"x", b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a"
    ),
    "RFC 2231 in pieces, one missing": _multipart(
        b"x",
        b"Content-Type: application/pdf; name*0*=utf-8''%e2%82; name*2=gone; name*1*=%ac.pdf\r\n"
        b"Content-Disposition: attachment; filename*=bogus'x'%ZZ%; filename=a\r\n\r\nx",
    ),
    "a file name with a path": _multipart(
        b"x", b'Content-Disposition: attachment; filename="../../etc/passwd\\\\..\\x"\r\n\r\nx'
    ),
    "a message in a message in a message": _multipart(
        b"x",
        b"Content-Type: message/rfc822\r\n\r\nSubject: one\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: two\r\n\r\nhello",
    ),
    "a message part that is empty": _multipart(b"x", b"Content-Type: message/rfc822\r\n\r\n"),
    "a delivery report": _multipart(
        b"x",
        b"\r\nIt failed.",
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a.test\r\n\r\n"
        b"Final-Recipient: rfc822; b@c.test\r\nAction: failed\r\nStatus: 5.1.1",
        b"Content-Type: text/rfc822-headers\r\n\r\nSubject: x",
        kind=b"report; report-type=delivery-status",
    ),
    "HTML that is no HTML": _HEAD
    + b"Content-Type: text/html; charset=utf-16\r\n\r\n<<<a href='>\x80<script <!-- <p\r\n",
    "UTF-7 and a BOM": _HEAD
    + b"Content-Type: text/plain; charset=utf-7\r\n\r\n\xef\xbb\xbf+ADw-script+AD4-\r\n",
    "ISO-2022-JP that does not shift back": _HEAD
    + b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$3$s\r\n",
    "dots alone on lines": _HEAD + b"\r\n.\r\n..\r\n. \r\n.x\r\n",
    "no line end at the end": _HEAD + b"\r\nhello",
    "forged trace fields": b"Received: from localhost\r\nReturn-Path: <root@localhost>\r\n"
    b"Authentication-Results: mail.example.test; dkim=pass\r\nDelivered-To: ada@example.test\r\n"
    + _HEAD
    + b"\r\nhello\r\n",
    "signatures that are rubbish": b"DKIM-Signature: v=1; a=rsa-sha256; b=;;;=; h=from:from:from; bh==\r\n"
    b"ARC-Seal: i=1; i=2; cv=pass\r\nARC-Message-Signature: i=0\r\n" + _HEAD + b"\r\nhello\r\n",
}
"""By what is ugly about it."""
