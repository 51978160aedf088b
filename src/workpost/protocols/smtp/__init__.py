"""SMTP, server side: message submission (RFC 6409) and the MX port (RFC 5321).

``wire`` reads and writes bytes, ``commands`` holds one function per verb, ``dialogue`` is the state
of one session, ``connection`` its transport, ``server`` the listeners, ``session`` the narrow
interface behind which mail is checked and accepted.
"""
