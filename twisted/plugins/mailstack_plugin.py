"""Points twistd at mailstack.tap."""

from twisted.application.service import ServiceMaker

mailstack = ServiceMaker(
    "mailstack", "mailstack.tap", "A mail stack: submission, queue, relay, MX, mailboxes, POP3", "mailstack"
)
