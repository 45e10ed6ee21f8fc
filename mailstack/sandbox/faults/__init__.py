"""What goes wrong, said in the words of mail: rules for tests and for `mailstack dev`, at every step of a letter's way.

    faults.add(Rule(at="rcpt", recipient="*@b.test", reply="452 4.2.2 mailbox full", times=2))
    faults.add(lost_answer(times=1))
    faults.add({"at": "pop3.retr", "delay": "30s"})

A `Rule` is a value, the same in Python, JSON and TOML. `Faults` has those that are on: `list`, `add`, `remove`, `clear`,
`fired`. `Internet.faults` and `mailstack dev` have one each; an office without any pays nothing.

Where things are: `rule` is one fault, `faults` those that are on, `standing`, `smtp` and `pop3` let them happen in a
dialogue, `tls`, `names`, `calls` and `disk` beneath it; `common` are faults with a name, `magic` addresses that say what
goes wrong.
"""

from __future__ import annotations

from mailstack.sandbox.faults.faults import FaultEvent, Faults, TooManyRules
from mailstack.sandbox.faults.presets import (
    bad_certificate,
    cut_in_content,
    disk_full,
    full_mailbox,
    greylisting,
    half_open,
    host_down,
    lost_answer,
    maildrop_locked,
    no_uidl,
    too_busy,
)
from mailstack.sandbox.faults.rule import Rule

__all__ = [
    "FaultEvent",
    "Faults",
    "Rule",
    "TooManyRules",
    "bad_certificate",
    "cut_in_content",
    "disk_full",
    "full_mailbox",
    "greylisting",
    "half_open",
    "host_down",
    "lost_answer",
    "maildrop_locked",
    "no_uidl",
    "too_busy",
]
