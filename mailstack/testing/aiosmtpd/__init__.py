"""A drop-in for aiosmtpd: the same Controller, handlers, Envelope and Session, with mailstack's SMTP engine beneath.

Programs change an import: `from mailstack.testing.aiosmtpd.controller import Controller`. The modules are named as there:
`controller`, `handlers`, `smtp`. docs/howto/move-from-smtpdfix.md says what differs.
"""
