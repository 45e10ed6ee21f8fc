"""Policy for invalid and unowned From addresses in submission (RFC 6409 §6.3)."""

from __future__ import annotations

from typing import Literal

from mailstack.letter import Address, AddressError, ReversePath
from mailstack.letter.address_lists import Authors, authors_in
from mailstack.letter.header import count, fields, has, without
from mailstack.policy.permissions import AddressOwners
from mailstack.protocols.smtp.replies import Refusal, reply

NO_AUTHOR = reply(554, "5.6.0", "the letter must have exactly one From field (RFC 5322 section 3.6)")
NOT_THE_AUTHOR = reply(550, "5.7.1", "the From address is not owned by the account that logged in")

WhenInvalid = Literal["repair", "refuse", "allow"]
WhenNotOwned = Literal["allow", "sender", "refuse"]


class FromHeaderPolicy:
    """Repairs, refuses or allows From fields, as configured."""

    def __init__(
        self,
        when_invalid: WhenInvalid = "repair",
        when_not_owned: WhenNotOwned = "allow",
        owners: AddressOwners | None = None,
    ) -> None:
        """`when_invalid` is for letters with no From field or several. `when_not_owned` is for a From that the account does not own:
        "sender" names the account in a Sender field.
        """
        self._when_invalid = when_invalid
        self._when_not_owned = when_not_owned
        self._owners = owners

    async def apply(self, section: bytes, sender: ReversePath, account: str | None) -> bytes:
        """Returns the header section as it is to be sent. Raises Refusal."""
        if self._when_invalid != "allow" and (found := count(section, b"from")) != 1:
            section = self._repair(section, found, sender, account)
        if self._when_not_owned != "allow" and account is not None and self._owners is not None:
            section = await self._with_sender(section, account, self._owners)
        return section

    def _repair(self, section: bytes, found: int, sender: ReversePath, account: str | None) -> bytes:
        """Adds a missing From field, or removes all but the first one."""
        if self._when_invalid == "refuse":
            raise Refusal(NO_AUTHOR, f"{found} From fields")
        if found:
            return _first_only(section, b"from")
        from_header_policy = str(sender) if sender is not None else _address_text(account)
        return b"From: <%b>\r\n%b" % (from_header_policy.encode(), section) if from_header_policy else section

    async def _with_sender(self, section: bytes, account: str, owners: AddressOwners) -> bytes:
        """Names the account as Sender if From does not name it, and removes any other Sender (RFC 6409 §8.1)."""
        is_author = await _owns_all(owners, account, authors_in(fields(section)))
        if not is_author and self._when_not_owned == "refuse":
            raise Refusal(NOT_THE_AUTHOR, f"{account} wrote another From")
        if is_author and not has(section, b"sender"):
            return section
        if is_author and await _owns_all(owners, account, authors_in(fields(section), b"sender")):
            return section
        section = without(section, (b"sender",))
        if is_author:
            return section
        return b"Sender: <%b>\r\n%b" % (_address_text(account).encode(), section)


async def _owns_all(owners: AddressOwners, account: str, named: Authors) -> bool:
    """Whether the fields name only addresses of the account. The first address not owned ends the look-ups."""
    if not named.is_whole or not named.addresses:
        return False
    for address in dict.fromkeys(named.addresses):
        if not await owners.owns(account, address):
            return False
    return True


def _address_text(account: str | None) -> str:
    """The account as an address for a header; "" if it is not an address."""
    try:
        return str(Address.parse(account or ""))
    except AddressError:
        return ""


def _first_only(section: bytes, wanted_name: bytes) -> bytes:
    """The section with only the first field of this name."""
    result, is_found = [], False
    for name, field in fields(section):
        if name != wanted_name or not is_found:
            result.append(field)
        is_found = is_found or name == wanted_name
    return b"".join(result)
