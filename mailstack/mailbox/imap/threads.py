"""THREAD: messages by their references, or by their subjects (RFC 5256 §3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from mailstack.letter.charsets import text_of
from mailstack.mailbox.imap.base_subject import base_subject
from mailstack.mailbox.imap.casemap import casemap
from mailstack.mailbox.imap.sort_order import sent_time
from mailstack.mailbox.imap.turns import Pause, in_turns, sorted_in_turns

ALGORITHMS = ("ORDEREDSUBJECT", "REFERENCES")

MAX_REFERENCES = 100
"""Maximum references of a message; the last ones count."""
MAX_ANCESTORS = 1000
"""Maximum ancestors that are searched for a loop; a link to a message that is deeper is not made."""

_MESSAGE_ID = re.compile(r"<([^<>\s]{1,998}+)>")


class ThreadedMessage(Struct, frozen=True):
    """Message with what determines its place in threads."""

    number: int
    """Message number or UID of the response."""
    sent: float
    """Time of the Date field, see `sent_time`."""
    subject: str
    """Base subject in the form for comparisons."""
    is_reply: bool
    message_id: str
    """Message-ID without brackets; "" without a valid one."""
    references: tuple[str, ...]
    """Message-IDs of its ancestors, the closest last."""


def threaded_message(number: int, fields: Mapping[bytes, bytes], at: float) -> ThreadedMessage:
    """Message from unfolded bodies of fields, by name in lower case, and its internal date (seconds since 1970)."""
    subject = base_subject(fields.get(b"subject", b""))
    own = _MESSAGE_ID.search(text_of(fields.get(b"message-id", b"")))
    references = _MESSAGE_ID.findall(text_of(fields.get(b"references", b"")))[-MAX_REFERENCES:]
    if not references:
        references = _MESSAGE_ID.findall(text_of(fields.get(b"in-reply-to", b"")))[:1]
    return ThreadedMessage(
        number,
        sent_time(fields, at),
        casemap(subject.text),
        subject.is_reply,
        own[1] if own else "",
        tuple(references),
    )


class ThreadNode(Struct, eq=False):
    """Message in its thread, or a dummy for one that is missing."""

    message: ThreadedMessage | None = None
    children: list[ThreadNode] = []
    parent: ThreadNode | None = None
    is_parent: bool = False
    """Whether it was ever a parent."""

    @property
    def first(self) -> ThreadedMessage:
        """The message itself; for a dummy its first child, which is a message."""
        message = self.message or self.children[0].message
        assert message is not None
        return message


async def threads(algorithm: str, messages: Sequence[ThreadedMessage], pause: Pause) -> list[ThreadNode]:
    """Threads of the messages, which are in the order of their numbers. `algorithm` is one of ALGORITHMS."""
    return await (_by_references if algorithm == "REFERENCES" else _by_subject)(messages, pause)


async def _by_subject(messages: Sequence[ThreadedMessage], pause: Pause) -> list[ThreadNode]:
    """ORDEREDSUBJECT: the earliest message of a subject is the parent of all others."""
    roots: dict[str, ThreadNode] = {}
    ordered = await sorted_in_turns([(message.sent, message.number, message) for message in messages], pause)
    async for message in in_turns(ordered, pause):
        node = ThreadNode(message)
        if message.subject in roots:
            roots[message.subject].children.append(node)
        else:
            roots[message.subject] = node
    return list(roots.values())


async def _by_references(messages: Sequence[ThreadedMessage], pause: Pause) -> list[ThreadNode]:
    """REFERENCES, by its numbered steps."""
    roots = await _pruned(await _linked(messages, pause), pause)
    for root in roots:
        if root.message is None:
            root.children = await _by_date(root.children, pause)
    roots = await _merged(await _by_date(roots, pause), pause)
    pending = list(roots)
    async for node in in_turns(pending, pause):  # which grows
        if len(node.children) > 1:
            node.children = await _by_date(node.children, pause)
        pending += node.children
    return await _by_date(roots, pause)


async def _by_date(nodes: Iterable[ThreadNode], pause: Pause) -> list[ThreadNode]:
    firsts = [(node.first, node) for node in nodes]
    return await sorted_in_turns([(first.sent, first.number, node) for first, node in firsts], pause)


async def _linked(messages: Sequence[ThreadedMessage], pause: Pause) -> list[ThreadNode]:
    """Step 1: all messages and dummies, linked by references; only those without a parent are returned."""
    nodes: dict[str, ThreadNode] = {}
    others: list[ThreadNode] = []  # messages without a Message-ID of their own
    async for message in in_turns(messages, pause):
        node = nodes.setdefault(message.message_id, ThreadNode()) if message.message_id else ThreadNode()
        if node.message is not None or not message.message_id:
            node = ThreadNode()
            others.append(node)
        node.message = message
        before: ThreadNode | None = None
        for reference in message.references:
            ancestor = nodes.setdefault(reference, ThreadNode())
            if before is not None and ancestor.parent is None:
                _link(before, ancestor)
            before = ancestor
        node.parent = None
        if before is not None:
            _link(before, node)
    every = [*nodes.values(), *others]
    async for node in in_turns(every, pause):
        if node.parent is not None:
            node.parent.children.append(node)
    return [node for node in every if node.parent is None]


def _link(parent: ThreadNode, child: ThreadNode) -> None:
    """Make `child` a child of `parent`, unless that makes a loop."""
    above: ThreadNode | None = parent
    # What was never a parent is above nothing.
    for _ in range(MAX_ANCESTORS if child.is_parent else 0):
        if above is None or above is child:
            break
        above = above.parent
    if parent is not child and (above is None or not child.is_parent):
        child.parent = parent
        parent.is_parent = True


async def _pruned(roots: Iterable[ThreadNode], pause: Pause) -> list[ThreadNode]:
    """Steps 2 and 3: dummies are replaced by their children, but for one that is a root with several children."""
    order: list[ThreadNode] = list(roots)
    count = len(order)
    async for node in in_turns(order, pause):  # which grows: parents come before their children
        order += node.children
    async for node in in_turns(reversed(order), pause):
        node.children = _without_dummies(node.children)
    return [
        each
        for root in order[:count]
        for each in ([root] if root.message is not None or len(root.children) > 1 else root.children)
    ]


def _without_dummies(children: list[ThreadNode]) -> list[ThreadNode]:
    """Children with those of dummies in place of these."""
    dummies = [child.children for child in children if child.message is None]
    if not dummies:
        return children
    # The longest list takes in the others, so that a chain of dummies costs no copy at each level.
    kept = max(dummies, key=len)
    for promoted in dummies:
        if promoted is not kept:
            kept += promoted
    kept += [child for child in children if child.message is not None]
    return kept


async def _merged(roots: Sequence[ThreadNode], pause: Pause) -> list[ThreadNode]:
    """Step 5: roots of the same base subject are one thread; the result is not in order."""
    table: dict[str, ThreadNode] = {}
    async for root in in_turns(roots, pause):
        subject = root.first.subject
        known = table.get(subject)
        if subject and (
            known is None
            or (root.message is None and known.message is not None)
            or (_is_reply(known) and not _is_reply(root))
        ):
            table[subject] = root
    # A root that becomes a child is left out; a dummy takes the place of the root in the table.
    result: dict[int, ThreadNode] = {id(root): root for root in roots}
    async for root in in_turns(roots, pause):
        known = table.get(root.first.subject)
        if known is None or known is root or not root.first.subject:
            continue
        del result[id(root)]
        if known.message is None:
            known.children += [root] if root.message is not None else root.children
        elif _is_reply(root) and not _is_reply(known):
            known.children.append(root)
        else:
            dummy = ThreadNode(None, [known, root])
            del result[id(known)]
            table[root.first.subject] = result[id(dummy)] = dummy
    return list(result.values())


def _is_reply(root: ThreadNode) -> bool:
    return root.message is not None and root.message.is_reply


def thread_response(roots: Sequence[ThreadNode]) -> Iterator[bytes]:
    """Untagged THREAD response with its CRLF, in pieces (RFC 5256 §4)."""
    yield b"* THREAD " if roots else b"* THREAD"
    pending: list[ThreadNode | bytes] = [b"\r\n"]
    pending += [each for root in reversed(roots) for each in (b")", root, b"(")]
    while pending:
        node = pending.pop()
        if isinstance(node, bytes):
            yield node
            continue
        if node.message is not None:
            yield b"%d " % node.message.number if node.children else b"%d" % node.message.number
        if len(node.children) == 1:
            pending.append(node.children[0])
        else:
            pending += [each for child in reversed(node.children) for each in (b")", child, b"(")]
