"""Headers that are not ASCII: RFC 6531 and RFC 6532."""

from workpost.protocols.smtp.wire.errors import CommandError


def check_header(content: bytes, *, smtputf8: bool) -> None:
    """Raise CommandError 550 for a header that is not ASCII, or with ``smtputf8`` not UTF-8."""
    end = content.find(b"\r\n\r\n")
    header = content[:end] if end >= 0 else content
    if header.isascii():
        return
    if not smtputf8:
        raise CommandError(550, "5.6.0", "A header that is not ASCII needs SMTPUTF8")
    try:
        header.decode()
    except UnicodeDecodeError:
        raise CommandError(550, "5.6.0", "The header is not UTF-8") from None
