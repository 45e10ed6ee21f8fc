"""Driver of one server engine: octets in, events and replies out."""

from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.smtp.commands import Bdat, Chunk, StartTls
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from tests.protocols.smtp.hosts import GREETING, answer_to

PLAIN = Capabilities("mx.home.test")


class Dialogue:
    """A session with a host that accepts everything; records `events` and `octets`."""

    def __init__(self, capabilities=PLAIN, *, answers=answer_to, start_tls=True, **engine):
        self.engine = ServerEngine(capabilities, **engine)
        self.answers = answers
        self.events = []
        self.octets = self.engine.greet(GREETING)
        self.starts_tls = start_tls

    def hear(self, octets):
        """Events of the octets, each with a reply."""
        heard = []
        self.engine.receive(octets)
        while (event := self.engine.next_event()) is not NEED_DATA:
            heard.append(event)
            if isinstance(event, Bdat | Chunk):
                continue
            answer = self.answers(event)
            self.octets += self.engine.answer(answer)
            if isinstance(event, StartTls) and answer.code == 220 and self.starts_tls:
                self.engine.tls_started()
        self.events += heard
        return heard

    def say(self, *lines):
        """Replies to command lines."""
        before = len(self.octets)
        self.hear(b"".join(line + b"\r\n" for line in lines))
        return self.octets[before:]

    def codes(self, *lines):
        """Code and status of each reply."""
        answers = self.say(*lines).decode().splitlines()
        return [tuple(line.split(" ")[:2]) for line in answers if line[3] == " "]


def started(*lines, capabilities=PLAIN):
    """A session that has heard these lines."""
    session = Dialogue(capabilities)
    session.say(*lines)
    return session


def after(*lines, capabilities=PLAIN):
    """A session that has heard EHLO and these lines."""
    return started(b"EHLO c.test", *lines, capabilities=capabilities)


def merged(events):
    """Events, with the chunks of each content merged."""
    result = []
    for event in events:
        if isinstance(event, Chunk) and result and isinstance(result[-1], Chunk):
            result[-1] = Chunk(result[-1].octets + event.octets)
        else:
            result.append(event)
    return result
