"""IMAP commands: events of the server engine (RFC 3501 §6, RFC 9051 §6)."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from mailstack.protocols.imap.fetch_items import FetchItem
from mailstack.protocols.imap.list_options import ListOptions, StatusItem
from mailstack.protocols.imap.notify_commands import Notify
from mailstack.protocols.imap.search_keys import SearchKey, SearchReturn, SortKey
from mailstack.protocols.imap.sequence_set import SequenceSet
from mailstack.protocols.imap.update_commands import CancelUpdate
from mailstack.protocols.log import Redacted


class ImapCommand(Struct, frozen=True):
    """A command with its tag."""

    tag: str
    """Tag of the client, 1 to 64 printable octets; the tagged response repeats it."""


class ImapRejected(Struct, frozen=True):
    """A command that is unknown, malformed, not allowed in this state, or too long. Reply with `status` and `text`."""

    tag: str
    """Tag of the command; "*" when no tag could be read."""
    text: str
    is_fatal: bool = False
    """Whether the rest of the input can't be understood: reply with BYE and close (RFC 7888 §4)."""
    code: str = ""
    """Response code without brackets, such as "TOOBIG"; "" without one."""
    status: str = "BAD"
    """"BAD", or "NO" for a well-formed command with an impossible folder name or charset."""


class LiteralWanted(Struct, frozen=True):
    """Announcement of a literal inside a command. Reply with `engine.accept_literal()`."""

    tag: str
    size: int
    """Announced octets, within the limit."""


class Capability(ImapCommand, frozen=True):
    """CAPABILITY."""


class ImapNoop(ImapCommand, frozen=True):
    """NOOP, and CHECK in the selected state."""

    name: str = "NOOP"


class Logout(ImapCommand, frozen=True):
    """LOGOUT."""


class Id(ImapCommand, frozen=True):
    """ID (RFC 2971)."""

    fields: tuple[tuple[str, str | None], ...] = ()
    """Fields of the client in their order; hostile text."""


class ImapStartTls(ImapCommand, frozen=True):
    """STARTTLS."""


class ImapLogin(Redacted, frozen=True):
    """LOGIN."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)

    tag: str
    user: str
    password: str


class Authenticate(Redacted, frozen=True):
    """AUTHENTICATE with a SASL mechanism (RFC 4959 for the initial response)."""

    SECRETS: ClassVar[tuple[str, ...]] = ("initial",)

    tag: str
    mechanism: str
    """Mechanism in upper case; may be unsupported."""
    initial: bytes | None = None
    """Decoded initial response; None without one, b"" for `=`."""


class ImapAuthResponse(Redacted, frozen=True):
    """Response to a challenge."""

    SECRETS: ClassVar[tuple[str, ...]] = ("response",)

    response: bytes | None
    """Decoded response; None for `*`, which cancels the exchange."""


class Enable(ImapCommand, frozen=True):
    """ENABLE (RFC 5161)."""

    extensions: tuple[str, ...]
    """Names in upper case; may be unknown."""


class Select(ImapCommand, frozen=True):
    """SELECT and EXAMINE."""

    folder: str
    """Decoded folder name, with INBOX in upper case."""
    read_only: bool = False
    condstore: bool = False
    """CONDSTORE parameter (RFC 7162 §3.1.8)."""
    qresync: Qresync | None = None


class Qresync(Struct, frozen=True):
    """QRESYNC parameter of SELECT (RFC 7162 §3.2.5)."""

    validity: int
    modseq: int
    uids: SequenceSet | None = None
    match: tuple[SequenceSet, SequenceSet] | None = None
    """Message sequence numbers and the UIDs that the client knows for them."""


class Create(ImapCommand, frozen=True):
    """CREATE (RFC 6154 §3 for the special use)."""

    folder: str
    """Decoded folder name without a trailing separator."""
    uses: tuple[str, ...] = ()
    r"""Special-use attributes such as "\Sent", as the client wrote them."""


class Delete(ImapCommand, frozen=True):
    """DELETE."""

    folder: str


class Rename(ImapCommand, frozen=True):
    """RENAME."""

    folder: str
    to: str


class Subscribe(ImapCommand, frozen=True):
    """SUBSCRIBE and UNSUBSCRIBE."""

    folder: str
    on: bool = True


class ListFolders(ImapCommand, frozen=True):
    """LIST (RFC 3501 §6.3.8, RFC 5258)."""

    reference: str
    patterns: tuple[str, ...]
    """Decoded patterns with `%` and `*`; one empty pattern asks for the separator."""
    options: ListOptions


class Lsub(ImapCommand, frozen=True):
    """LSUB (RFC 3501 §6.3.9)."""

    reference: str
    pattern: str


class Namespace(ImapCommand, frozen=True):
    """NAMESPACE (RFC 2342)."""


class ImapStatus(ImapCommand, frozen=True):
    """STATUS."""

    folder: str
    items: tuple[StatusItem, ...]


class Append(ImapCommand, frozen=True):
    """APPEND: announcement of one message; its octets follow as MessageOctets, then AppendNext or AppendEnd.

    The session answers with `engine.accept_literal()` or `engine.refuse_literal()`.
    """

    folder: str
    message: AppendedMessage


class AppendedMessage(Struct, frozen=True):
    """Announced message of APPEND or REPLACE."""

    size: int
    """Announced octets."""
    flags: tuple[str, ...] = ()
    """System flags in their usual case, and keywords as the client wrote them."""
    internal_date: float | None = None
    """Seconds since 1970; None without one."""
    is_binary: bool = False
    """literal8, which may contain NUL (RFC 3516 §4.4)."""
    is_waiting: bool = True
    """Whether the client waits for the continuation request: a synchronizing literal."""


class MessageOctets(Struct, frozen=True):
    """The next octets of the announced message; needs no reply."""

    octets: bytes


class AppendNext(Struct, frozen=True):
    """Announcement of a further message of the same APPEND (RFC 3502)."""

    message: AppendedMessage


class AppendEnd(Struct, frozen=True):
    """End of an APPEND command; the tagged response is due."""


class Idle(ImapCommand, frozen=True):
    """IDLE (RFC 2177). The session answers with `engine.idling()`; the next event is IdleDone or ImapRejected."""


class IdleDone(Struct, frozen=True):
    """DONE."""


class GetQuota(ImapCommand, frozen=True):
    """GETQUOTA (RFC 9208 §4.1)."""

    root: str


class GetQuotaRoot(ImapCommand, frozen=True):
    """GETQUOTAROOT (RFC 9208 §4.2)."""

    folder: str


class Compress(ImapCommand, frozen=True):
    """COMPRESS (RFC 4978)."""

    mechanism: str


class Close(ImapCommand, frozen=True):
    """CLOSE and UNSELECT (RFC 3691)."""

    expunges: bool
    r"""Whether it removes messages with \Deleted: CLOSE does."""


class Expunge(ImapCommand, frozen=True):
    """EXPUNGE and UID EXPUNGE (RFC 4315 §2.1)."""

    uids: SequenceSet | None = None
    r"""None: all messages with \Deleted."""


class Search(ImapCommand, frozen=True):
    """SEARCH and UID SEARCH."""

    key: SearchKey
    by_uid: bool = False
    charset: str = ""
    """Charset as the client wrote it; "" without one."""
    returns: SearchReturn | None = None
    """Return options (RFC 4731); None without RETURN."""


class Sort(ImapCommand, frozen=True):
    """SORT and UID SORT (RFC 5256)."""

    order: tuple[SortKey, ...]
    key: SearchKey
    charset: str
    by_uid: bool = False
    returns: SearchReturn | None = None


class Thread(ImapCommand, frozen=True):
    """THREAD and UID THREAD (RFC 5256)."""

    algorithm: str
    """Algorithm in upper case; may be unsupported."""
    key: SearchKey
    charset: str
    by_uid: bool = False


class Fetch(ImapCommand, frozen=True):
    """FETCH and UID FETCH."""

    messages: SequenceSet
    items: tuple[FetchItem, ...]
    by_uid: bool = False
    changed_since: int | None = None
    """CHANGEDSINCE modifier (RFC 7162 §3.1.4.1)."""
    vanished: bool = False
    """VANISHED modifier (RFC 7162 §3.2.6)."""


class StoreFlags(ImapCommand, frozen=True):
    """STORE and UID STORE."""

    messages: SequenceSet
    mode: str
    """"FLAGS", "+FLAGS" or "-FLAGS"."""
    flags: tuple[str, ...]
    """System flags in their usual case, and keywords as the client wrote them."""
    silent: bool = False
    by_uid: bool = False
    unchanged_since: int | None = None
    """UNCHANGEDSINCE modifier (RFC 7162 §3.1.3)."""


class ImapCopy(ImapCommand, frozen=True):
    """COPY and MOVE with their UID forms (RFC 6851 for MOVE)."""

    messages: SequenceSet
    folder: str
    moves: bool = False
    by_uid: bool = False


class Replace(ImapCommand, frozen=True):
    """REPLACE and UID REPLACE (RFC 8508); continues like Append."""

    number: int
    """Sequence number or UID of the replaced message; 0 for `*`."""
    folder: str
    message: AppendedMessage
    by_uid: bool = False


AnyCommand = ImapCommand | ImapLogin | Authenticate | CancelUpdate | Notify
ImapEvent = (
    AnyCommand | ImapRejected | ImapAuthResponse | LiteralWanted | MessageOctets | AppendNext | AppendEnd | IdleDone
)
