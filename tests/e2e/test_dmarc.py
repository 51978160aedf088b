"""PutInboundDmarcSettings over HTTP, and what it does to mail over SMTP, in the real server."""

from __future__ import annotations

from email.policy import SMTP

from tests.e2e.conftest import MakeServer
from tests.support.dns_thread import threaded_dns
from tests.support.server import Server, compose


def deliver(server: Server) -> tuple[int, bytes]:
    """(code, text) of the reply to a message in the name of author.example."""
    mail = compose("bob@author.example", "grace@demo.test", "Engines").as_bytes(policy=SMTP)
    with server.smtp(listener="smtp") as client:
        client.ehlo()
        assert client.mail("bob@author.example")[0] == 250
        assert client.rcpt("grace@demo.test")[0] == 250
        return client.data(mail)


def test_an_organization_switches_enforcement_off_and_on(make_server: MakeServer) -> None:
    with threaded_dns() as (dns, address):
        dns.records |= {
            ("TXT", "author.example"): ["v=spf1 ip4:192.0.2.1 -all"],
            ("TXT", "_dmarc.author.example"): ["v=DMARC1; p=reject"],
        }
        server = make_server(
            env={
                "WORKPOST_DNS__SERVERS": address,
                "WORKPOST_AUTHENTICATION__TRUSTED_NETWORKS": "198.51.100.0/24",
                "WORKPOST_AUTHENTICATION__SERVER_NAME": "mail.demo.test",
                "WORKPOST_PROCESSES__FRONT_ENDS": "1",
            }
        ).start()
        workmail = server.aws()
        organization = {"OrganizationId": server.account["organization_id"]}
        assert workmail.describe_inbound_dmarc_settings(**organization)["Enforced"] is True
        code, text = deliver(server)
        assert (code, text[:6]) == (550, b"5.7.1 ")
        workmail.put_inbound_dmarc_settings(**organization, Enforced=False)
        assert workmail.describe_inbound_dmarc_settings(**organization)["Enforced"] is False
        assert deliver(server)[0] == 250
        with server.imapclient("grace") as client:
            client.select_folder("INBOX", readonly=True)
            (found,) = client.search(["SUBJECT", "Engines"])
            raw = client.fetch([found], ["BODY.PEEK[HEADER]"])[found][b"BODY[HEADER]"]
        assert b"Authentication-Results: mail.demo.test;\r\n\tspf=fail" in raw
        workmail.put_inbound_dmarc_settings(**organization, Enforced=True)
        assert deliver(server)[0] == 550
