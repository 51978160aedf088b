"""What strangers write of themselves, in the DNS and in headers: SPF, DMARC, Authentication-Results."""

from __future__ import annotations

from workpost.formats.mailauth import spf
from workpost.formats.mailauth.authors import AuthorsError, author_domains
from workpost.formats.mailauth.dmarc import POLICIES, DmarcError, parse_dmarc, walk_names
from workpost.formats.mailauth.dmarc_uris import MAX_URIS, consented, report_uris
from workpost.formats.mailauth.results import (
    ResultsError,
    parse_results,
    strip_results,
    write_results,
)

SERVER = "mx.demo.test"
VALUES = dict.fromkeys("slodiphvcrt", "a-b.c+d@example.test")

SEEDS = [
    b"v=spf1 include:%{ir}.%{v}._spf.%{d2} a:mail.example.test/24//64 -all exp=why.example.test",
    b"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ?mx redirect=%{L3r+-}.example.test",
    b"The host %{c} (%{p}) may not send for %{S}: see http://example.test/?%{T}",
    b"v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; pct=20; t=y; psd=n; rua=mailto:a@b.test",
    b"v=DMARC1;rua=MAILTO:a%20b@b.test!10m,https://b.test/,mailto:%22a,b%22@c.test!99999999t;p=none",
    b'mx.demo.test 1; dkim=pass (a (b) "c") header.d=example.test reason="x\\"y"; none',
    b"Authentication-Results: (x) mx.demo.test; spf=pass smtp.mailfrom=a.test\r\n\tx\r\n\r\nbody",
    b'From: A <a@one.test>, "b" <b@two.test>\r\nfrom : g: c@three.test;\r\n\r\n',
]


def sender_policies(data: bytes) -> None:
    """Records, explanations and fields are read or refused with their own error."""
    text = data.decode("utf-8", "replace")
    try:
        record = spf.parse_spf(text)
        for each in record.mechanisms:
            assert each.target is None or len(spf.expand_name(each.target, VALUES)) <= spf.MAX_NAME
    except spf.SpfError:
        pass
    try:
        assert len(spf.expand(spf.explanation(text), VALUES)) <= spf.MAX_EXPANDED
    except spf.SpfError:
        pass
    try:
        assert parse_dmarc(text).policy in POLICIES
    except DmarcError:
        pass
    assert len(walk_names(text)) <= 8
    uris = report_uris(text)
    assert len(uris) <= MAX_URIS
    for uri in uris:
        assert uri.host
        assert uri.most >= 0
        assert all(place.host == uri.host for place in consented([text], uri))
    try:
        read = parse_results(data)
    except ResultsError:
        pass
    else:
        again = parse_results(write_results(read.server, read.methods).partition(b":")[2])
        assert [each.method for each in again.methods] == [each.method for each in read.methods]
    left = strip_results(data, SERVER)
    assert strip_results(left, SERVER) == left
    try:
        assert all(domain for domain in author_domains(data))
    except AuthorsError:
        pass
