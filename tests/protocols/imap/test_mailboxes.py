"""RFC 3501 section 6.3: CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS, APPEND."""

import pytest

from tests.protocols.imap.conftest import MESSAGE
from workpost.domain.messages import removing
from workpost.kernel.errors import StaleGrant


def names(lines: list[bytes]) -> list[bytes]:
    return [line.rpartition(b'"/" ')[2].strip(b'"') for line in lines]


STANDARD = [
    b'* LIST (\\HasNoChildren) "/" INBOX',
    b'* LIST (\\HasNoChildren \\Archive) "/" Archive',
    b'* LIST (\\HasNoChildren \\Trash) "/" "Deleted Items"',
    b'* LIST (\\HasNoChildren \\Drafts) "/" Drafts',
    b'* LIST (\\HasNoChildren \\Junk) "/" "Junk E-mail"',
    b'* LIST (\\HasNoChildren \\Sent) "/" "Sent Items"',
]


class TestList:
    def test_a_new_mailbox_has_its_special_folders(self, log_in):
        assert log_in().ok('LIST "" *') == STANDARD

    def test_the_delimiter(self, log_in):
        wire = log_in()
        assert wire.ok('LIST "" ""') == [b'* LIST (\\Noselect) "/" ""']
        assert wire.ok('LSUB "" ""') == [b'* LSUB (\\Noselect) "/" ""']

    def test_wildcards_and_references(self, log_in):
        wire = log_in()
        wire.ok("CREATE Projects/Engine/Mill")
        assert names(wire.ok('LIST "" Projects/%')) == [b"Projects/Engine"]
        assert names(wire.ok("LIST Projects/ *")) == [b"Projects/Engine", b"Projects/Engine/Mill"]
        assert wire.ok('LIST "" Projects') == [b'* LIST (\\HasChildren) "/" Projects']
        assert names(wire.ok('LIST "" %ro*ine')) == [b"Projects/Engine"]
        assert wire.ok('LIST "" nothing') == []
        assert wire.ok('LIST "" inbox') == STANDARD[:1]

    def test_rfc6154_special_use(self, log_in):
        wire = log_in()
        assert wire.ok('LIST (SPECIAL-USE) "" *') == STANDARD[1:]
        assert wire.ok('LIST "" Drafts RETURN (SPECIAL-USE)') == [STANDARD[3]]

    def test_rfc5258_subscribed(self, log_in):
        wire = log_in()
        for name in ("INBOX", "Projects/Engine", "Ghost"):
            wire.do(f"CREATE {name}") if name != "Ghost" else None
            wire.ok(f"SUBSCRIBE {name}")
        assert wire.ok('LIST (SUBSCRIBED) "" *') == [
            b'* LIST (\\HasNoChildren \\Subscribed) "/" INBOX',
            b'* LIST (\\HasNoChildren \\Subscribed) "/" Projects/Engine',
            b'* LIST (\\Subscribed \\NonExistent) "/" Ghost',
        ]
        assert b'* LIST (\\HasNoChildren) "/" Drafts' not in wire.ok(
            'LIST "" * RETURN (SUBSCRIBED)'
        )
        assert wire.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" Pro%') == [
            b'* LIST (\\HasChildren) "/" Projects ("CHILDINFO" ("SUBSCRIBED"))'
        ]

    def test_rfc5819_list_status(self, log_in):
        wire = log_in()
        wire.append(MESSAGE)
        assert wire.ok('LIST "" INBOX RETURN (STATUS (MESSAGES UNSEEN))') == [
            STANDARD[0],
            b"* STATUS INBOX (MESSAGES 1 UNSEEN 1)",
        ]

    def test_lsub_shows_parents_below_a_wildcard(self, log_in):
        wire = log_in()
        wire.ok("SUBSCRIBE a/b/c")
        wire.ok("SUBSCRIBE Drafts")
        assert wire.ok('LSUB "" *') == [
            b'* LSUB () "/" Drafts',
            b'* LSUB () "/" a/b/c',
        ]
        assert wire.ok('LSUB "" %') == [
            b'* LSUB () "/" Drafts',
            b'* LSUB (\\Noselect) "/" a',
        ]
        wire.ok("UNSUBSCRIBE a/b/c")
        assert names(wire.ok('LSUB "" *')) == [b"Drafts"]
        assert wire.do("UNSUBSCRIBE a/b/c")[-1].startswith(b"NO [NONEXISTENT]")


class TestTree:
    def test_create_in_any_script(self, log_in):
        wire = log_in()
        wire.ok("CREATE &U,BTFw-/&ZeVnLIqe-")
        assert names(wire.ok('LIST "" &U,BTFw-*')) == [b"&U,BTFw-", b"&U,BTFw-/&ZeVnLIqe-"]
        wire.ok("SELECT &U,BTFw-/&ZeVnLIqe-")

    def test_create_what_exists_is_refused(self, log_in):
        wire = log_in()
        wire.ok("CREATE a/")
        assert wire.do("CREATE a")[-1].startswith(b"NO [ALREADYEXISTS]")
        assert wire.do("CREATE inbox")[-1].startswith(b"NO [ALREADYEXISTS]")
        assert wire.do("CREATE a//b")[-1].startswith(b"NO [CANNOT]")
        assert wire.do("CREATE x (USE (\\Drafts))")[-1].startswith(b"NO [ALREADYEXISTS]")
        assert wire.do("CREATE x (USE (\\All))")[-1].startswith(b"NO [USEATTR]")

    def test_delete(self, log_in):
        wire = log_in()
        wire.ok("CREATE a/b")
        wire.append(MESSAGE, "a/b")
        assert wire.do("DELETE a")[-1].startswith(b"NO [HASCHILDREN]")
        wire.ok("DELETE a/b")
        wire.ok("DELETE a")
        assert wire.do("DELETE a")[-1].startswith(b"NO [NONEXISTENT]")
        assert wire.do("DELETE INBOX")[-1].startswith(b"NO [CANNOT]")
        assert wire.ok('LIST "" *') == STANDARD

    def test_rename_takes_everything_below(self, log_in):
        wire = log_in()
        wire.ok("CREATE a/b")
        wire.append(MESSAGE, "a/b")
        wire.ok("RENAME a c/d")
        assert names(wire.ok('LIST "" c*')) == [b"c", b"c/d", b"c/d/b"]
        assert wire.ok("STATUS c/d/b (MESSAGES)") == [b"* STATUS c/d/b (MESSAGES 1)"]
        assert wire.do("RENAME c/d Drafts")[-1].startswith(b"NO [ALREADYEXISTS]")
        assert wire.do("RENAME Drafts x")[-1].startswith(b"NO [CANNOT]")
        assert wire.do("RENAME nothing x")[-1].startswith(b"NO [NONEXISTENT]")

    def test_a_deletion_that_has_begun_is_a_deletion(self, log_in, monkeypatch):
        async def refuse(*_: object) -> None:
            raise StaleGrant

        wire = log_in()
        wire.ok("CREATE Short")
        wire.append(MESSAGE, "Short")
        monkeypatch.setattr(removing, "finish_deletion", refuse)
        wire.ok("DELETE Short")
        assert wire.do("SELECT Short")[-1].startswith(b"NO [NONEXISTENT]")

    def test_rename_inbox_moves_its_messages(self, log_in):
        wire = log_in()
        for _ in range(3):
            wire.append(MESSAGE)
        wire.ok("RENAME INBOX Old")
        assert wire.ok("STATUS Old (MESSAGES UNSEEN)") == [b"* STATUS Old (MESSAGES 3 UNSEEN 3)"]
        assert wire.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 0)"]


class TestStatus:
    def test_all_items(self, log_in):
        wire = log_in()
        wire.append(MESSAGE, how="(\\Seen) ")
        wire.append(MESSAGE)
        [line] = wire.ok("STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)")
        assert line.startswith(b"* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY ")
        assert b" UNSEEN 1 HIGHESTMODSEQ " in line
        wire.ok("SELECT INBOX")
        assert wire.ok("STATUS INBOX (RECENT)") == [b"* STATUS INBOX (RECENT 0)"]
        assert wire.do("STATUS nothing (MESSAGES)")[-1].startswith(b"NO [NONEXISTENT]")


class TestAppend:
    def test_rfc4315_appenduid(self, log_in):
        wire = log_in()
        assert wire.append(MESSAGE, "Drafts").startswith(b"OK [APPENDUID ")
        assert wire.append(MESSAGE, "Drafts").endswith(b" 2] APPEND completed")

    def test_flags_keywords_and_date_are_kept(self, log_in):
        wire = log_in()
        wire.append(MESSAGE, how='(\\Draft \\Seen $Work) "17-Jul-1996 02:44:25 -0700" ')
        wire.ok("EXAMINE INBOX")
        assert wire.ok("FETCH 1 (FLAGS INTERNALDATE)") == [
            b"* 1 FETCH (FLAGS (\\Seen \\Draft $Work \\Recent)"
            b' INTERNALDATE "17-Jul-1996 09:44:25 +0000")'
        ]

    def test_the_selected_mailbox_tells_it_at_once(self, log_in):
        wire = log_in("INBOX")
        *lines, last = wire.do(f"APPEND INBOX {{{len(MESSAGE)}+}}\r\n{MESSAGE.decode()}")
        assert last.startswith(b"OK")
        assert lines == [b"* 1 EXISTS", b"* 1 RECENT"]

    @pytest.mark.parametrize("name", ["nothing", "a//b"])
    def test_trycreate(self, log_in, name):
        wire = log_in()
        assert wire.do(f"APPEND {name} {{1+}}\r\nx")[-1].startswith(b"NO [TRYCREATE]")

    def test_too_big_and_empty(self, log_in):
        wire = log_in()
        assert wire.do("APPEND INBOX {1000001}")[-1].startswith(b"NO [TOOBIG]")
        big = f"APPEND INBOX {{1000001+}}\r\n{'x' * 1_000_001}"
        assert wire.do(big)[-1].startswith(b"NO [TOOBIG]")
        assert wire.do("APPEND INBOX {0+}\r\n")[-1].startswith(b"NO ")
        assert wire.do(f"APPEND INBOX ({'k' * 100}) {{1+}}\r\nx")[-1].startswith(b"NO [LIMIT]")
        wire.ok("NOOP")
