"""User access: authenticators and directory of one mail server."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from mailstack.accounts.directory import Directory
from mailstack.protocols.sasl import Authenticator


class UserAccess(Struct, frozen=True):
    """Users of a server: how they log in, and which addresses they have."""

    submitters: Authenticator
    """Authenticator for message submission."""
    readers: Authenticator
    """Authenticator for mailboxes."""
    directory: Directory
    """Lookup of local domains, accounts and aliases."""
    web: Authenticator | None = None
    """Authenticator for pages and API; its users are administrators. None: accounts log in there."""
    server_of_mailbox: Callable[[str], str] | None = None
    """Host name of the server that reports about a mailbox, for servers that share a store. None: the server itself."""
