"""MailHog's Jim, who refuses, hangs up and turns away by chance, and slows lines down: rules among the faults."""

from __future__ import annotations

from msgspec import Struct

from mailstack.sandbox.faults import Faults, Rule

_STEPS = ("mail", "rcpt", "data", "final")
"""At each of which he may hang up."""
_SPEEDS = 4
"""Of slow lines, from the slowest to the fastest."""


class Jim(Struct, frozen=True, rename="pascal"):
    """His chances, from 0 to 1; octets a second. The defaults are MailHog's."""

    disconnect_chance: float = 0.005
    accept_chance: float = 0.99
    link_speed_affect: float = 0.1
    link_speed_min: float = 1024
    link_speed_max: float = 10240
    reject_sender_chance: float = 0.05
    reject_recipient_chance: float = 0.05
    reject_auth_chance: float = 0.05


class Monkey:
    """Whoever of his kind is here, at most one."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.jim: Jim | None = None
        """None: he is not here."""

    def come(self, jim: Jim) -> None:
        """In place of whoever was here. Raises ValueError for what no chance and no speed is."""
        rules = jim_rules(jim)
        self.leave()
        self.jim = jim
        for rule in rules:
            self._faults.add(rule)

    def leave(self) -> None:
        self.jim = None
        for rule, _ in self._faults.list():
            if rule.id.startswith("jim-"):
                self._faults.remove(rule.id)


def jim_rules(jim: Jim) -> list[Rule]:
    """One for each chance above 0. Raises ValueError."""
    chances = [
        ("connect", "421 4.3.2 Jim turns you away", 1 - jim.accept_chance),
        ("mail", "550 5.7.1 Jim rejects the sender", jim.reject_sender_chance),
        ("rcpt", "550 5.7.1 Jim rejects the recipient", jim.reject_recipient_chance),
        ("auth", "535 5.7.8 Jim rejects the password", jim.reject_auth_chance),
    ]
    lost, slow = jim.disconnect_chance, jim.link_speed_affect
    if not all(0 <= chance <= 1 for chance in (*(each for _, _, each in chances), lost, slow)):
        raise ValueError("A chance is from 0 to 1")
    if not 1 <= jim.link_speed_min <= jim.link_speed_max <= Rule.MOST:
        raise ValueError("LinkSpeedMin and LinkSpeedMax are octets a second, from 1 on, the smaller one first")
    rules = [Rule(at=at, id=f"jim-{at}", probability=chance, reply=says) for at, says, chance in chances if chance > 0]
    if lost > 0:
        rules += [Rule(at=at, id=f"jim-drop-{at}", probability=lost, drop="before") for at in _STEPS]
    return [*rules, *_slow(slow, int(jim.link_speed_min), int(jim.link_speed_max))]


def _slow(chance: float, slowest: int, fastest: int) -> list[Rule]:
    """Some speeds in between, all together with this chance: each is asked where those before it did not happen."""
    rules: list[Rule] = []
    share = chance / _SPEEDS
    for step in range(_SPEEDS if share else 0):
        speed = slowest + (fastest - slowest) * step // (_SPEEDS - 1)
        rules.append(Rule(at="content", id=f"jim-slow-{step}", probability=share / (1 - share * step), speed=speed))
    return rules
