"""Sieve (RFC 5228) and its extensions: scripts read once, run over one message, actions come out.

    lexer -> parser -> checker (a Script) -> interpreter (a list of actions)

Nothing here does anything: what an action means to a mailbox is the business of mail flow.
"""
