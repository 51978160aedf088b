"""The table of commands: what serves each, in which state, and what may be told with its answer."""

from __future__ import annotations

from workpost.protocols.imap.commands import (
    append,
    basic,
    close,
    copy,
    create,
    delete,
    enable,
    expunge,
    fetch,
    idle,
    listing,
    login,
    rename,
    search,
    select,
    status,
    store,
    subscribe,
)
from workpost.protocols.imap.handler import Handler
from workpost.protocols.imap.wire import commands as c

HANDLERS: dict[type[c.Command], Handler] = {
    c.Capability: Handler(basic.capability, "any"),
    c.Noop: Handler(basic.noop, "any", refresh=True),
    c.Logout: Handler(basic.logout, "any"),
    c.Id: Handler(basic.identify, "any"),
    c.StartTls: Handler(login.starttls, "any"),
    c.Authenticate: Handler(login.authenticate, "fresh"),
    c.Login: Handler(login.login, "fresh"),
    c.Enable: Handler(enable.enable),
    c.Namespace: Handler(basic.namespace),
    c.Select: Handler(select.select),
    c.Create: Handler(create.create),
    c.Delete: Handler(delete.delete),
    c.Rename: Handler(rename.rename),
    c.Subscribe: Handler(subscribe.subscribe),
    c.List: Handler(listing.list_mailboxes),
    c.Status: Handler(status.status),
    c.Append: Handler(append.append, refresh=True),
    c.Idle: Handler(idle.idle),
    c.Check: Handler(close.check, "selected", refresh=True),
    c.Close: Handler(close.close, "selected"),
    c.Unselect: Handler(close.unselect, "selected"),
    c.Expunge: Handler(expunge.expunge, "selected", refresh=True),
    c.Search: Handler(search.search, "selected"),
    c.Fetch: Handler(fetch.fetch, "selected"),
    c.Store: Handler(store.store, "selected"),
    c.Copy: Handler(copy.copy, "selected", refresh=True),
}
