"""Which commands change something, and what the audit log tells of each.

A command is named by its words. A test walks the parsers: each command is in one of the tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Order(msgspec.Struct, frozen=True):
    """A command that changes something.

    `told` names the arguments that a record holds: never texts that people wrote, never what could
    be a secret. With `when` only these arguments make it a change. `itself`: the command writes the
    record, as only it knows what it is about to do.
    """

    event: str
    told: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    itself: bool = False


ORDERS: Mapping[str, Order] = {
    "quickstart": Order("Quickstart", ("address", "hostname", "alias"), itself=True),
    "account create": Order("CreateAccount", ("id", "name")),
    "access-key create": Order("CreateAccessKey", ("account", "user", "policy")),
    "iam user create": Order("CreateUser", ("account", "name")),
    "iam user delete": Order("DeleteUser", ("account", "name")),
    "iam role create": Order("CreateRole", ("account", "name", "trust", "max_session")),
    "iam role update": Order("UpdateRole", ("account", "name", "trust", "max_session")),
    "iam role delete": Order("DeleteRole", ("account", "name")),
    "iam policy put": Order("PutPolicy", ("account", "user", "role", "name", "file")),
    "iam policy delete": Order("DeletePolicy", ("account", "user", "role", "name")),
    "iam access-key create": Order("CreateAccessKey", ("account", "user")),
    "iam access-key update": Order("UpdateAccessKey", ("account", "id", "state")),
    "iam access-key delete": Order("DeleteAccessKey", ("account", "id")),
    "iam apply": Order("ApplyIam", itself=True),
    "domain verify": Order("VerifyMailDomain", ("domain", "force")),
    "domain catch-all": Order("PutCatchAll", ("domain", "to", "off"), ("to", "off")),
    "domain dkim rotate": Order("RotateDkimKey", ("domain", "algorithm")),
    "directory sync": Order("SynchronizeDirectory", ("full",)),
    "group senders": Order("PutGroupSenders", ("group", "senders"), ("senders",)),
    "mailbox forward": Order("PutForwarding", ("user", "to", "off", "no_copy"), ("to", "off")),
    "mailbox recoverable restore": Order("RestoreRecoverableItems", itself=True),
    "mailbox recoverable purge": Order("PurgeRecoverableItems", itself=True),
    "mailbox recoverable period": Order(
        "PutRecoverablePeriod", ("days", "default"), ("days", "default")
    ),
    "sieve put": Order("PutSieveScript", ("name", "activate")),
    "sieve activate": Order("ActivateSieveScript", ("name",)),
    "sieve deactivate": Order("DeactivateSieveScript"),
    "sieve delete": Order("DeleteSieveScript", ("name",)),
    "out-of-office set": Order("PutOutOfOffice", ("starts", "ends")),
    "out-of-office off": Order("EndOutOfOffice"),
    "rule put": Order("PutMailFlowRule", itself=True),
    "rule delete": Order("DeleteMailFlowRule", itself=True),
    "gateway put": Order("PutSmtpGateway", ("name", "host", "port")),
    "gateway delete": Order("DeleteSmtpGateway", itself=True),
    "journaling set": Order("SetJournalingRules", ("to", "failures")),
    "journaling off": Order("SetJournalingRules", ("to", "failures")),
    "limits set": Order("PutLimit", ("user", "name", "value")),
    "limits reset": Order("ResetLimit", ("user", "name")),
    "token create": Order("CreatePersonalAccessToken", ("user", "name", "scope")),
    "token delete": Order("DeletePersonalAccessToken", ("token",)),
    "queue retry": Order("RetryQueue", ("which", "domain", "all")),
    "queue hold": Order("HoldQueue", ("which", "domain", "all")),
    "queue drop": Order("DropQueue", ("which", "domain", "all", "silent")),
    "suppression add": Order("PutSuppression", ("address", "days")),
    "suppression remove": Order("DeleteSuppression", ("address",)),
    "spam forget": Order("ForgetSpamModel"),
    "lambda invoke": Order("InvokeFunction", ("arn",)),
    "keys rotate": Order("RotateKey", ("system", "master", "mailboxes")),
    "keys backup": Order("BackUpKeys", ("file",)),
    "selftest": Order("RunSelfTest", ("domain",)),
    "check": Order("RepairData", ("full",), ("repair",)),
    "rebuild": Order("RebuildData"),
    "backup": Order("BackUpData", ("file", "without_objects")),
    "restore": Order("RestoreData", ("file", "keys")),
}

NO_ORDERS: Mapping[str, str] = dict.fromkeys(
    (
        *("iam user get", "iam user list", "iam role get", "iam role list", "iam policy get"),
        *("iam policy list", "iam access-key list", "audit", "domain records", "domain dkim show"),
        *("directory show", "mailbox recoverable list", "sieve list", "sieve get", "sieve check"),
        *("out-of-office show", "rule list", "rule test", "gateway list", "journaling show"),
        *("limits show", "token list", "queue list", "queue show", "queue destinations"),
        *("suppression list", "trace", "spam status", "lambda logs", "keys shredded", "doctor"),
        *("config show", "config check"),
    ),
    "It only reads.",
) | {
    "serve": "What the server does has records of its own.",
    "model install": "It writes into the folders of whoever runs it, not into the data.",
}
