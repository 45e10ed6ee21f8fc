"""Fault injection: rules for tests and `mailstack dev`.

    faults.add(Fault(at="rcpt", recipient="*@b.test", reply="452 4.2.2 mailbox full", times=2))
    faults.add(lost_answer(times=1))
    faults.add({"at": "pop3.retr", "delay": "30s"})

A `Fault` is a value, the same in Python, JSON and TOML. `Faults` has the active rules: `list`, `add`, `remove`, `clear`,
`fired`. `Internet.faults` and `mailstack dev` have one each. A server without faults has no overhead.

Files: `rule` is one fault and its file format, `faults` the active rules. `install` wraps a server's runtime and store:
connector, resolver, TLS and disk. `faulty_peer`, `sessions` and `imap` change sessions of SMTP, POP3 and IMAP, and
`certificates` has invalid certificates.
"""

from __future__ import annotations

from mailstack.sandbox.faults.faults import FaultEvent, Faults, TooManyRules
from mailstack.sandbox.faults.presets import (
    alert,
    bad_certificate,
    cut_in_content,
    cut_literal,
    disk_full,
    full_mailbox,
    greylisting,
    half_open,
    host_down,
    lost_answer,
    maildrop_locked,
    new_validity,
    no_uidl,
    over_quota,
    too_busy,
)
from mailstack.sandbox.faults.rule import Fault

__all__ = [
    "Fault",
    "FaultEvent",
    "Faults",
    "TooManyRules",
    "alert",
    "bad_certificate",
    "cut_in_content",
    "cut_literal",
    "disk_full",
    "full_mailbox",
    "greylisting",
    "half_open",
    "host_down",
    "lost_answer",
    "maildrop_locked",
    "new_validity",
    "no_uidl",
    "over_quota",
    "too_busy",
]
