"""Parser of what a browser writes to the pipe of screenshots."""

from __future__ import annotations

from mailstack.web.screenshots.devtools import BadDevToolsMessage, DevToolsReader, decode_message
from tests.parsers.parser import Parser, Pieces, same_in_every_cut

_LIMIT = 200


def _messages(octets: bytes) -> None:
    """Every cut gives the same messages, none above the limit; each is valid or refused."""

    def play(pieces: Pieces) -> list[bytes] | None:
        reader, found = DevToolsReader(_LIMIT), []
        try:
            for piece in pieces:
                found += reader.receive(piece)
        except BadDevToolsMessage:
            return None
        return found

    for message in same_in_every_cut(octets, play) or ():
        assert len(message) <= _LIMIT
        assert b"\0" not in message
        try:
            decode_message(message)
        except BadDevToolsMessage:
            continue


PARSERS = (
    Parser(
        "devtools",
        ("web.screenshots.devtools",),
        _messages,
        (
            b'{"id":1,"result":{"data":"iVBORw0KGgo="},"sessionId":"A"}\0{"method":"Page.loadEventFired","params":{"timestamp":1.5}}\0',
            b'{"id":2,"error":{"code":-32000,"message":"Target crashed"}}\0\0{"id":',
            b'{"method":"Fetch.requestPaused","params":{"requestId":"1","request":{"url":"http://message.invalid/"}}}\0[]\0',
        ),
    ),
)
