"""Mailbox folders of a test server: messages, deliveries and waits."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from email.message import Message
from typing import TypedDict, Unpack

from mailstack.mailbox.imap.dialogue import CommandRefused
from mailstack.mailbox.imap.mailbox_view import SYSTEM_FLAGS
from mailstack.sandbox.arguments import parse_address, unexpected_argument
from mailstack.sandbox.dev.settings import HOME_DOMAIN
from mailstack.store.folders import Folder, NoSuchFolder, account_of
from mailstack.testing.folder_messages import FolderMessage, append_message, read_messages
from mailstack.testing.reactor_thread import is_in_loop
from mailstack.testing.server_access import ServerAccess

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

TIMEOUT = 10.0
"""Default seconds to wait for a flag or a message."""
MAX_DESCRIBED = 20
"""Maximum number of messages that one failure describes."""
_KEYWORD = re.compile(r"[A-Za-z0-9$_.-]{1,64}")
_SYSTEM = {name.lower() for name in SYSTEM_FLAGS}


class NoSuchFlag(AssertionError):
    """The message did not get the expected flag in time; str() has the flags that it has."""

    # A traceback of a test names the module that it is imported from.
    __module__ = "mailstack.testing"


class NoSuchMessage(AssertionError):
    """The expected message did not arrive in the folder; str() lists the messages that are there."""

    __module__ = "mailstack.testing"


class DeliveryKeywords(TypedDict, total=False):
    """Keyword arguments of a message that a test delivers."""

    flags: Sequence[str]
    r"""Flags and keywords, such as "\Seen"."""
    date: datetime | None
    """Internal date; now, if it is None. A date without a time zone is local time."""


class MessageKeywords(TypedDict, total=False):
    """Keyword arguments that select messages of a folder; all given ones must match."""

    subject: str | re.Pattern[str] | None
    """Text contained in the subject, case-insensitive, or a pattern searched in it."""
    sender: str | None
    """Address of From; a name without @ is in home.test."""
    after: FolderMessage | None
    """Message that must have entered the folder earlier."""


class MailFolder:
    """Folder of an account, which a program under test reads by IMAP or POP3."""

    def __init__(self, access: ServerAccess, folder: Folder) -> None:
        self._access = access
        self._folder = folder
        self._mailbox = folder.mailbox
        self.name: str = folder.path
        """Name with its levels, such as "Projects/2026"; that of the time at which the test asked for it."""

    def __repr__(self) -> str:
        return f"<MailFolder {self.name!r} of {account_of(self._mailbox)}>"

    @property
    def messages(self) -> list[FolderMessage]:
        """All messages, by uid."""
        return self._access.call(lambda: read_messages(self._access.environment(), self._mailbox))

    def deliver(self, message: bytes | Message, **keywords: Unpack[DeliveryKeywords]) -> FolderMessage:
        """Puts a message into the folder, as APPEND does; `keywords` are `flags` and `date` of `DeliveryKeywords`.

        Raises ValueError for an unknown flag, and for more octets than IMAP accepts; LookupError for a removed folder.
        """
        if text := unexpected_argument("deliver()", keywords, DeliveryKeywords.__annotations__):
            raise TypeError(text)
        if not isinstance(message, bytes | Message):
            raise TypeError(f"deliver() takes bytes or an email.message.Message, and got {type(message).__name__}")
        octets = message if isinstance(message, bytes) else message.as_bytes()
        flags = keywords.get("flags", ())
        _check_flags("deliver", flags)
        environment = self._access.environment()
        limit = environment.settings.imap.max_size
        if len(octets) > limit:
            raise ValueError(f"deliver() takes a message of at most {limit} octets, and got {len(octets)}")
        try:
            return self._access.call(
                lambda: append_message(environment, self._folder, octets, flags, keywords.get("date"))
            )
        except CommandRefused as error:
            raise ValueError(f"deliver() got too many flags: {error}") from None
        except NoSuchFolder:
            raise LookupError(f"deliver() takes a folder that exists, and {self.name!r} was removed") from None

    def wait_for_flag(self, message: FolderMessage, flag: str, *, timeout: float = TIMEOUT) -> FolderMessage:
        r"""The message, once it has a flag such as "\Seen". Raises NoSuchFlag after `timeout` seconds."""
        future = self._watch_flag("wait_for_flag", message, flag, timeout, blocks=is_in_loop())
        return self._access.result(future, timeout)

    async def wait_for_flag_async(
        self, message: FolderMessage, flag: str, *, timeout: float = TIMEOUT
    ) -> FolderMessage:
        """`wait_for_flag` for coroutines of asyncio and Twisted; doesn't block their loop."""
        future = self._watch_flag("wait_for_flag_async", message, flag, timeout, blocks=False)
        return await self._access.awaited(future)

    def wait_for_message(self, *, timeout: float = TIMEOUT, **keywords: Unpack[MessageKeywords]) -> FolderMessage:
        """The first message that matches, within `timeout` seconds.

        `keywords` are `subject`, `sender` and `after` of `MessageKeywords`. Raises NoSuchMessage, which lists the
        messages of the folder.
        """
        future = self._watch_message("wait_for_message", keywords, timeout, blocks=is_in_loop())
        return self._access.result(future, timeout)

    async def wait_for_message_async(
        self, *, timeout: float = TIMEOUT, **keywords: Unpack[MessageKeywords]
    ) -> FolderMessage:
        """`wait_for_message` for coroutines."""
        return await self._access.awaited(
            self._watch_message("wait_for_message_async", keywords, timeout, blocks=False)
        )

    def _watch_flag(
        self, function: str, message: FolderMessage, flag: str, timeout: float, *, blocks: bool
    ) -> Future[FolderMessage]:
        _check_flags(function, [flag])
        environment, latest = self._access.environment(), [message]

        async def find() -> FolderMessage | None:
            nonlocal latest
            latest = await read_messages(environment, self._mailbox, after=message.uid - 1, last=message.uid)
            return next((each for each in latest if flag.lower() in map(str.lower, each.flags)), None)

        def on_timeout() -> FolderMessage:
            state = f"it has {' '.join(sorted(latest[0].flags)) or 'no flags'}" if latest else "it was removed"
            text = f"message {message.uid} of {self.name} did not get {flag} within {timeout:g} s: {state}"
            raise NoSuchFlag(text + _advice(function, blocks=blocks))

        return self._access.watch(find, timeout, on_timeout)

    def _watch_message(
        self, function: str, keywords: MessageKeywords, timeout: float, *, blocks: bool
    ) -> Future[FolderMessage]:
        if text := unexpected_argument(
            f"{function}()", keywords, [*MessageKeywords.__annotations__, "timeout"], "criterion"
        ):
            raise TypeError(text)
        sender, after, subject = keywords.get("sender"), keywords.get("after"), keywords.get("subject")
        author = None if sender is None else parse_address(sender, HOME_DOMAIN).key
        environment, uid = self._access.environment(), 0 if after is None else after.uid
        others: deque[FolderMessage] = deque(maxlen=MAX_DESCRIBED)

        async def find() -> FolderMessage | None:
            nonlocal uid
            for each in await read_messages(environment, self._mailbox, after=uid):
                uid = each.uid
                if _has_subject(each, subject) and (author is None or author in each.senders):
                    return each
                others.append(each)
            return None

        def on_timeout() -> FolderMessage:
            given = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
            lines = [f"no message {f'with {given} ' if given else ''}arrived in {self.name} within {timeout:g} s"]
            lines += ["These messages are here:", *[f"  {each!r}" for each in others]] if others else []
            raise NoSuchMessage("\n".join(lines) + _advice(function, blocks=blocks))

        return self._access.watch(find, timeout, on_timeout)


def _has_subject(message: FolderMessage, subject: str | re.Pattern[str] | None) -> bool:
    if isinstance(subject, re.Pattern):
        return subject.search(message.subject) is not None
    return subject is None or subject.casefold() in message.subject.casefold()


def _check_flags(function: str, flags: Sequence[str]) -> None:
    if isinstance(flags, str):
        raise TypeError(f"{function}() takes a list of flags, and got {flags!r}")
    for each in flags:
        if each.lower() not in _SYSTEM and not _KEYWORD.fullmatch(each):
            raise ValueError(f"{function}() takes the flags {', '.join(SYSTEM_FLAGS)} and keywords, not {each}")


def _advice(function: str, *, blocks: bool) -> str:
    if not blocks:
        return ""
    return f"\nThe event loop was blocked meanwhile, so nothing in it could run: `await` {function}_async instead."
