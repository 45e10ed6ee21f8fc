"""What pages about letters stand on."""

from __future__ import annotations

from msgspec import Struct

from mailstack.config import Submission
from mailstack.mailbox.index.catalogue import LetterIndex
from mailstack.mailbox.index.indexer import InThread
from mailstack.protocols.connection import Clock
from mailstack.sandbox.compat.mailhog.monkey import Monkey
from mailstack.sandbox.faults import Faults
from mailstack.web.api.stream_limits import StreamLimits
from mailstack.web.checks.links import Look
from mailstack.web.checks.spam import Judge
from mailstack.web.compose import ComposeLimits
from mailstack.web.release import Leaving
from mailstack.web.site import RequestAuthenticator
from mailstack.web.submission import WebSubmission


class CompatContext(Struct, frozen=True):
    """Of one environment."""

    catalogue: LetterIndex
    clock: Clock
    in_thread: InThread
    capture: WebSubmission
    """Takes what is to be looked at."""
    outward: WebSubmission
    """Sends on what is released."""
    leaving: Leaving | None
    """By which it leaves this machine in place of that; None: it does not."""
    faults: Faults
    """What goes wrong, to order."""
    look: Look
    """The status that a URL answers with."""
    places: StreamLimits
    """How many streams may go on, those of our own API included."""
    jim: Monkey
    """MailHog's, who may be here from the start."""
    senders: RequestAuthenticator | None = None
    """Who knows those that may send by Mailpit's API; None: these are those for whom the pages are."""
    judge: Judge | None = None
    """Asks a spam filter; None: there is none."""
    limits: ComposeLimits = ComposeLimits(Submission().max_size, Submission().max_recipients)
    """Limits of a letter that is written or released here."""
