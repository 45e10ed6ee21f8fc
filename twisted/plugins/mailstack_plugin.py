"""Points twistd at mailstack.server.tap."""

from twisted.application.service import ServiceMaker

mailstack = ServiceMaker(
    "mailstack", "mailstack.server.tap", "A mail stack: submission, queue, relay, MX, mailboxes, POP3", "mailstack"
)
