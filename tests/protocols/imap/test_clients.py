"""Programs that people use: the standard library's imaplib, and IMAPClient."""

import imaplib
import time

from imapclient import IMAPClient

from tests.protocols.imap.conftest import MESSAGE
from tests.support.directories import PASSWORD


def test_imaplib_works_a_day(client):
    assert (
        client.append("INBOX", "\\Flagged", imaplib.Time2Internaldate(time.time()), MESSAGE)[0]
        == "OK"
    )
    assert client.select("INBOX") == ("OK", [b"1"])
    assert client.search(None, "SUBJECT", '"engines"') == ("OK", [b"1"])
    status, [(head, raw), _] = client.fetch("1", "(RFC822)")
    assert (status, raw) == ("OK", MESSAGE)
    assert b"\\Seen" in head
    assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert client.create("Projects") == ("OK", [b"CREATE completed"])
    assert client.copy("1", "Projects")[0] == "OK"
    assert client.expunge() == ("OK", [b"1"])
    assert client.status("Projects", "(MESSAGES)") == ("OK", [b"Projects (MESSAGES 1)"])
    assert b'(\\HasNoChildren) "/" Projects' in client.list()[1]
    assert client.close()[0] == "OK"


def test_imapclient_works_a_day(world, user, trust):
    _, port = world.addresses["tls"]
    with IMAPClient("localhost", port=port, ssl_context=trust, timeout=30) as client:
        client.login(user, PASSWORD)
        assert client.find_special_folder(b"\\Sent") == "Sent Items"
        assert client.has_capability("MOVE")
        client.create_folder("Entwürfe/日本")
        assert "Entwürfe/日本" in [name for _, _, name in client.list_folders()]
        client.append("INBOX", MESSAGE, flags=[b"\\Seen"])
        assert client.select_folder("INBOX")[b"EXISTS"] == 1
        [uid] = client.search(["SUBJECT", "engines"])
        data = client.fetch([uid], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "BODY.PEEK[]"])[uid]
        assert data[b"ENVELOPE"].subject == b"Engines of the day"
        assert data[b"BODY[]"] == MESSAGE
        assert client.add_flags([uid], ["$Work"])[uid] == (b"\\Seen", b"$Work", b"\\Recent")
        client.idle()
        assert client.idle_check(timeout=0.1) == []
        client.idle_done()
        client.move([uid], "Archive")
        assert client.folder_status("Archive", ["MESSAGES"]) == {b"MESSAGES": 1}
        client.unselect_folder()
        client.delete_folder("Entwürfe/日本")


def test_imapclient_over_starttls(world, user, trust):
    _, port = world.addresses["strict"]
    with IMAPClient("localhost", port=port, ssl=False, timeout=30) as client:
        client.starttls(trust)
        client.plain_login(user, PASSWORD)
        assert client.namespace().personal == (("", "/"),)
