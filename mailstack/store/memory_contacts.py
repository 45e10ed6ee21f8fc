"""What greylisting remembers, in memory."""

from __future__ import annotations

from mailstack.store import GreylistEntry


class MemoryContacts:
    """The part of `mailstack.store.Store` that greylisting asks."""

    def __init__(self) -> None:
        super().__init__()
        self._contacts: dict[str, GreylistEntry] = {}

    async def contact(self, name: str) -> GreylistEntry | None:
        return self._contacts.get(name)

    async def set_contact(self, contact: GreylistEntry) -> None:
        self._contacts[contact.name] = contact

    async def forget_contacts(self, now: float, most: int) -> int:
        before = len(self._contacts)
        lasting = sorted(self._contacts.values(), key=lambda contact: contact.until, reverse=True)[:most]
        self._contacts = {contact.name: contact for contact in lasting if contact.until > now}
        return before - len(self._contacts)
