"""MailHog's Jim, who refuses, hangs up and turns away by chance: rules among the faults. Slow lines he can't do here."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mailstack.faults import Faults, Rule
from mailstack.web.asking import Answer, Ask, Trouble
from mailstack.web.peers.bodies import taken
from mailstack.web.routes import Route

TEXT_JSON = "text/json; charset=utf-8"
_STEPS = ("mail", "rcpt", "data", "final")
"""At each of which he may hang up."""


class Jim(Struct, frozen=True, rename="pascal"):
    """His chances, from 0 to 1; octets a second. The defaults are MailHog's, but for the speed of lines."""

    disconnect_chance: float = 0.005
    accept_chance: float = 0.99
    link_speed_affect: float = 0.0
    link_speed_min: float = 1024
    link_speed_max: float = 10240
    reject_sender_chance: float = 0.05
    reject_recipient_chance: float = 0.05
    reject_auth_chance: float = 0.05


class Given(Struct, frozen=True, rename="lower"):
    """What he is told; what is left out stays as it was."""

    disconnectchance: float | None = None
    acceptchance: float | None = None
    linkspeedaffect: float | None = None
    linkspeedmin: float | None = None
    linkspeedmax: float | None = None
    rejectsenderchance: float | None = None
    rejectrecipientchance: float | None = None
    rejectauthchance: float | None = None


def jim_pages(faults: Faults, *, invited: bool = False) -> tuple[Route, ...]:
    """404 while he is not here."""
    here = _Here(faults)
    if invited:
        here.come(Jim())
    return (
        Route("GET", "/api/v2/jim", here.show, "admin"),
        Route("POST", "/api/v2/jim", here.invite, "admin"),
        Route("PUT", "/api/v2/jim", here.tell, "admin"),
        Route("DELETE", "/api/v2/jim", here.send_home, "admin"),
    )


class _Here:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._jim: Jim | None = None

    async def show(self, _: Ask) -> Answer:
        return Answer(msgspec.json.encode(self._found()), TEXT_JSON)

    async def invite(self, ask: Ask) -> Answer:
        if self._jim is not None:
            raise Trouble(400, "Jim is here already; PUT changes what he does")
        self.come(_told(Jim(), ask))
        return Answer(b"", TEXT_JSON, 201)

    async def tell(self, ask: Ask) -> Answer:
        self.come(_told(self._found(), ask))
        return Answer(b"", TEXT_JSON)

    async def send_home(self, _: Ask) -> Answer:
        self._found()
        self._leave()
        self._jim = None
        return Answer(b"", TEXT_JSON)

    def come(self, jim: Jim) -> None:
        """In place of whoever was here."""
        self._leave()
        self._jim = jim
        for rule in _rules(jim):
            self._faults.add(rule)

    def _found(self) -> Jim:
        if self._jim is None:
            raise Trouble(404, "Jim is not here; POST invites him")
        return self._jim

    def _leave(self) -> None:
        for rule, _ in self._faults.list():
            if rule.id.startswith("jim-"):
                self._faults.remove(rule.id)


def _told(jim: Jim, ask: Ask) -> Jim:
    """Raises Trouble 400."""
    given = msgspec.structs.asdict(taken(ask, Given)) if ask.body.strip() else {}
    names = {name.replace("_", ""): name for name in Jim.__struct_fields__}
    jim = replace(jim, **{names[name]: value for name, value in given.items() if value is not None})
    if jim.link_speed_affect:
        raise Trouble(400, "Slow lines can't be had here: LinkSpeedAffect is 0; a fault with a delay takes its time")
    chances = [getattr(jim, name) for name in names.values() if name.endswith("chance")]
    if not all(0 <= chance <= 1 for chance in chances):
        raise Trouble(400, "A chance is from 0 to 1")
    return jim


def _rules(jim: Jim) -> list[Rule]:
    """One for each chance above 0."""
    chances = [
        ("connect", "421 4.3.2 Jim turns you away", 1 - jim.accept_chance),
        ("mail", "550 5.7.1 Jim rejects the sender", jim.reject_sender_chance),
        ("rcpt", "550 5.7.1 Jim rejects the recipient", jim.reject_recipient_chance),
        ("auth", "535 5.7.8 Jim rejects the password", jim.reject_auth_chance),
    ]
    rules = [Rule(at=at, id=f"jim-{at}", probability=chance, reply=says) for at, says, chance in chances if chance > 0]
    if jim.disconnect_chance > 0:
        chance = jim.disconnect_chance
        rules += [Rule(at=at, id=f"jim-drop-{at}", probability=chance, drop="before") for at in _STEPS]
    return rules
