"""Priorities of letters for a client (RFC 6710, RFC 6758)."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Envelope
from mailstack.letter.header import count
from mailstack.letter.time_parameters import HIGHEST, LOWEST, NORMAL, PRIORITY
from mailstack.protocols.smtp.commands import Mail
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

FIELD = b"mt-priority"
"""The name of the header field (RFC 6758 §4)."""


_FIELD = re.compile(
    rb"(?:\A|\r\n)MT-Priority[ \t]*:(?:[ \t]|\r\n[ \t])*(0|-?[1-9])(?:[ \t]|\r\n[ \t]|\([ -'*-~]*\))*\r\n",
    re.IGNORECASE,
)


class Priorities(Struct, frozen=True):
    """Which priorities a client may give to its letters."""

    least: int = LOWEST
    """A letter with less is refused."""
    most: int = NORMAL
    """A letter with more gets this."""
    trusted: bool = False
    """Whether an MT-Priority field of its letters is believed."""

    @property
    def header_hooks(self) -> tuple[Priorities, ...]:
        """The hook that reads the MT-Priority field; none for a client that is not trusted."""
        return (self,) if self.trusted else ()

    def read_header(self, envelope: Envelope, section: bytes) -> Envelope:
        """The envelope with the priority of the MT-Priority field, unless MAIL gave one.

        There must be one such field alone (RFC 6758 §3.1).
        """
        if PRIORITY in dict(envelope.parameters):
            return envelope
        found = _FIELD.search(section)
        if found is None or count(section, FIELD) != 1:
            return envelope
        value = min(int(found[1]), self.most)
        return replace(envelope, parameters=(*envelope.parameters, (PRIORITY, str(value))))

    def grant(self, mail: Mail) -> tuple[Mail, Reply | None]:
        """MAIL with the priority that it gets, and the reply that says so when it is another than asked for (§4.1).

        Raises Refusal.
        """
        asked = dict(mail.parameters).get(PRIORITY)
        if asked is None:
            return mail, None
        if int(asked) < self.least:
            raise Refusal(reply(550, "5.7.15", f"{self.least} is the lowest priority that is taken here"))
        if int(asked) <= self.most:
            return mail, None
        others = tuple(each for each in mail.parameters if each[0] != PRIORITY)
        lowered = replace(mail, parameters=(*others, (PRIORITY, str(self.most))))
        # §4.1: the text begins with the new priority.
        return lowered, reply(250, "2.3.6", f"{self.most} is the priority that the letter gets here")


ANY = Priorities(most=HIGHEST, trusted=True)
"""Priorities without limits, for trusted clients."""
