"""Results of IMAP client commands, read from responses (RFC 3501 §7)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from mailstack.protocols.imap.client import CommandString, ImapData, ImapStatusResponse
from mailstack.protocols.imap.mailbox_names import decode_utf7, encode_utf7
from mailstack.protocols.imap.response_values import Value


class CommandResult(Struct, frozen=True):
    """Successful command with the untagged responses before its end."""

    response: ImapStatusResponse
    data: list[ImapData]
    codes: list[str]
    """Response codes of untagged OK responses."""

    def named(self, name: str) -> list[ImapData]:
        return [data for data in self.data if data.name == name]


class SelectedFolder(Struct, frozen=True):
    """State of a mailbox after SELECT; 0 for what the server left out."""

    messages: int
    validity: int
    next_uid: int
    modseq: int
    flags: tuple[str, ...]
    permanent_flags: tuple[str, ...]
    is_read_only: bool


class ListedFolder(Struct, frozen=True):
    """One line of LIST or LSUB."""

    attributes: tuple[str, ...]
    separator: str
    """Separator of levels; "" for a flat name."""
    name: str


class FetchedMessage(Struct, frozen=True):
    """One FETCH response."""

    number: int
    items: dict[str, Value]
    """Values by their names in upper case, such as "FLAGS" or "BODY[]"."""


def selected_folder(result: CommandResult) -> SelectedFolder:
    """State of a mailbox from the responses to SELECT."""
    codes = {name: rest for name, _, rest in (code.partition(" ") for code in result.codes)}
    flags = [data.values[0] for data in result.named("FLAGS") if data.values]
    return SelectedFolder(
        messages=max([0, *[data.number or 0 for data in result.named("EXISTS")]]),
        validity=number(codes.get("UIDVALIDITY")),
        next_uid=number(codes.get("UIDNEXT")),
        modseq=number(codes.get("HIGHESTMODSEQ")),
        flags=words(flags[-1]) if flags else (),
        permanent_flags=tuple(codes.get("PERMANENTFLAGS", "").strip("()").split()),
        is_read_only=result.response.code == "READ-ONLY",
    )


def listed_folder(data: ImapData) -> ListedFolder:
    """Folder of a LIST or LSUB response; a name that is not modified UTF-7 stays as it is."""
    attributes, separator, name, *_ = (*data.values, None, None, None)
    octets = _octets(name)
    try:
        decoded = decode_utf7(octets)
    except ValueError:
        decoded = octets.decode("utf-8", "replace")
    return ListedFolder(words(attributes), _octets(separator).decode("ascii", "replace"), decoded)


def status_numbers(result: CommandResult) -> dict[str, int]:
    """Numbers of STATUS responses by their item; items with other values are left out."""
    numbers: dict[str, int] = {}
    for data in result.named("STATUS"):
        items = pairs(data.values[1] if len(data.values) > 1 else None)
        numbers |= {
            name: number(value) for name, value in items.items() if isinstance(value, str) and value.isdecimal()
        }
    return numbers


def fetched_messages(result: CommandResult) -> list[FetchedMessage]:
    return [
        FetchedMessage(data.number or 0, pairs(data.values[0] if data.values else None))
        for data in result.named("FETCH")
    ]


def pairs(values: Value) -> dict[str, Value]:
    """Values by the atoms before them, in upper case."""
    if not isinstance(values, tuple):
        return {}
    return {
        name.upper(): value for name, value in zip(values[::2], values[1::2], strict=False) if isinstance(name, str)
    }


def words(values: Value) -> tuple[str, ...]:
    """Atoms of a list."""
    return tuple([value for value in values if isinstance(value, str)]) if isinstance(values, tuple) else ()


def number(text: Value) -> int:
    """Number; 0 for anything else."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _octets(value: Value) -> bytes:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""


def folder_argument(name: str) -> CommandString:
    return CommandString(encode_utf7(name))


def list_argument(items: Iterable[str]) -> bytes:
    """Atoms in parentheses."""
    return f"({' '.join(items)})".encode("ascii")
