"""Realm of twisted.cred: the avatars of submission and reading."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.cred.portal import IRealm
from zope.interface import Attribute, Interface, implementer


class ISubmitter(Interface):
    """May hand in letters."""

    address = Attribute("The account, an Address.key.")


class IReader(Interface):
    """May fetch letters."""

    address = Attribute("The account, an Address.key; also the name of the mailbox.")


@implementer(ISubmitter)
class Submitter(Struct, frozen=True):
    address: str


@implementer(IReader)
class MailboxReader(Struct, frozen=True):
    address: str


_AVATARS: tuple[tuple[type[Interface], type[Submitter | MailboxReader]], ...] = (
    (ISubmitter, Submitter),
    (IReader, MailboxReader),
)


@implementer(IRealm)
class Realm:
    """Every account may do both. A realm that tells them apart has the same shape."""

    def requestAvatar(  # noqa: N802
        self,
        avatarId: bytes | tuple[()],  # noqa: N803
        mind: object,  # noqa: ARG002
        *interfaces: type[Interface],
    ) -> tuple[type[Interface], object, Callable[[], None]]:
        """The avatar for the first interface that is known. Raises NotImplementedError for others, and for anonymous."""
        if isinstance(avatarId, bytes):
            for interface, avatar in _AVATARS:
                if interface in interfaces:
                    return interface, avatar(avatarId.decode()), _logout
        raise NotImplementedError("no avatar for that here")


def _logout() -> None:
    """An avatar holds nothing that would have to be given back."""
