"""API of a dev environment: servers, DNS zone, clock, faults, protocol log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins

from mailstack.letter.connection import HostPort
from mailstack.letter.timestamps import iso8601
from mailstack.net.zone import Zone
from mailstack.net.zone_text import read_name, read_record, record_text
from mailstack.sandbox.dev.time_travel import ClockBusy, TimeTravel
from mailstack.sandbox.faults.faults import Faults, TooManyRules
from mailstack.sandbox.faults.rule import Fault
from mailstack.sandbox.recording.protocol_log import ProtocolLog, ProtocolLogEntry
from mailstack.web.http_values import HttpError, Request, Response, from_json, in_json
from mailstack.web.routes import Route, RouteDoc

MOST_NAMES = 10_000
MOST_RECORDS = 100


class Service(Struct, frozen=True):
    host: str
    port: int


class ServerShown(Struct, frozen=True):
    """One mail server."""

    name: str
    about: str
    domains: list[str]
    services: dict[str, Service]


class ServerList(Struct, frozen=True):
    servers: list[ServerShown]


class RecordShown(Struct, frozen=True, forbid_unknown_fields=True):
    """One record, as in a zone file: "MX", "10 mx.elsewhere.test"."""

    type: str
    value: str


class NameShown(Struct, frozen=True):
    name: str
    records: list[RecordShown]


class NameList(Struct, frozen=True):
    names: list[NameShown]


class Records(Struct, frozen=True, forbid_unknown_fields=True):
    records: Annotated[list[RecordShown], Meta(max_length=MOST_RECORDS)]


class ClockShown(Struct, frozen=True):
    """What time it is there."""

    now: str
    ahead: float
    """Seconds before the clock of this machine."""


class Advance(Struct, frozen=True, forbid_unknown_fields=True):
    """How far to travel: "36h", or seconds."""

    advance: str | float


class FaultList(Struct, frozen=True):
    faults: list[dict[str, Any]]


class Cleared(Struct, frozen=True):
    cleared: int


class ProtocolShown(Struct, frozen=True):
    """The newest lines, the oldest first."""

    lines: list[ProtocolLogEntry]


class ServerInfo(Struct, frozen=True):
    """One mail server of the environment."""

    name: str
    about: str
    domains: tuple[str, ...]
    services: Mapping[str, HostPort]


def environment_routes(
    servers: Callable[[], Iterable[ServerInfo]], zone: Zone, travel: TimeTravel, faults: Faults, log: ProtocolLog
) -> tuple[Route, ...]:
    """Routes for the servers, DNS zone, clock, faults and protocol log of an environment."""
    clock = ClockPages(travel)

    async def mail_servers(_: Request) -> Response:
        return in_json(ServerList([_shown(each) for each in servers()]))

    async def lines(_: Request) -> Response:
        return in_json(ProtocolShown(list(log.lines)))

    return (
        Route("GET", "/v1/servers", mail_servers, "admin", told=RouteDoc("The mail servers.", gives=ServerList)),
        *_zone_routes(ZonePages(zone)),
        Route("GET", "/v1/clock", clock.now, "admin", told=RouteDoc("The time there.", gives=ClockShown)),
        Route(
            "POST",
            "/v1/clock",
            clock.advance,
            "admin",
            told=RouteDoc("Let time pass, and all happen that is due.", takes=Advance, gives=ClockShown),
        ),
        *_fault_routes(FaultPages(faults)),
        Route(
            "GET",
            "/v1/protocol",
            lines,
            "admin",
            told=RouteDoc("What was said on every connection, without secrets.", gives=ProtocolShown),
        ),
    )


def _shown(server: ServerInfo) -> ServerShown:
    services = {name: Service(at.host, at.port) for name, at in server.services.items()}
    return ServerShown(server.name, server.about, list(server.domains), services)


def _zone_routes(pages: ZonePages) -> list[Route]:
    one = "/v1/zone/{name}"
    return [
        Route(
            "GET",
            "/v1/zone",
            pages.names,
            "admin",
            told=RouteDoc("The names of the environment's own DNS.", gives=NameList),
        ),
        Route("GET", one, pages.one, "admin", told=RouteDoc("The records of a name.", gives=NameShown)),
        Route(
            "PUT",
            one,
            pages.put,
            "admin",
            told=RouteDoc("Give a name these records and no others.", takes=Records, gives=NameShown),
        ),
        Route("DELETE", one, pages.remove, "admin", told=RouteDoc("Forget a name.", gives=NameShown)),
    ]


class ZonePages:
    """The DNS that the servers ask."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    async def names(self, _: Request) -> Response:
        return in_json(NameList([self._shown(name) for name in sorted(self._zone.known())]))

    def _shown(self, name: str) -> NameShown:
        return NameShown(name, [RecordShown(*record_text(each)) for each in self._zone.known().get(name, ())])

    async def one(self, ask: Request) -> Response:
        return in_json(self._shown(self._known(ask)))

    async def put(self, ask: Request) -> Response:
        wanted = from_json(ask, Records).records
        name = _name(ask)
        try:
            records = [read_record(each.type, each.value) for each in wanted]
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        if name not in self._zone.known() and len(self._zone.known()) >= MOST_NAMES:
            raise HttpError(
                409, f"The zone has {MOST_NAMES} names, and takes no more; DELETE /v1/zone/NAME makes room."
            )
        self._zone.put(name, *records)
        return in_json(self._shown(name))

    async def remove(self, ask: Request) -> Response:
        name = self._known(ask)
        self._zone.remove(name)
        return in_json(NameShown(name, []))

    def _known(self, ask: Request) -> str:
        """Raises Trouble 404."""
        name = _name(ask)
        if name not in self._zone.known():
            raise HttpError(404, f"{name[:100]} is not in the zone; GET /v1/zone lists what is.")
        return name


def _name(ask: Request) -> str:
    """The name in the path, as the zone has it. Raises Trouble 400."""
    try:
        return read_name(ask.variables["name"])
    except ValueError as error:
        raise HttpError(400, f"{ask.variables['name'][:100]!r} is no name: {error}") from None


class ClockPages:
    """The time of the environment."""

    def __init__(self, travel: TimeTravel) -> None:
        self._travel = travel

    async def now(self, _: Request) -> Response:
        return in_json(ClockShown(iso8601(self._travel.now), self._travel.ahead))

    async def advance(self, ask: Request) -> Response:
        try:
            await self._travel.advance(from_json(ask, Advance).advance)
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        except ClockBusy as delayed:
            raise HttpError(409, str(delayed)) from None
        return await self.now(ask)


def _fault_routes(pages: FaultPages) -> list[Route]:
    one = "/v1/faults/{id}"
    return [
        Route(
            "GET", "/v1/faults", pages.listed, "admin", told=RouteDoc("What goes wrong on purpose.", gives=FaultList)
        ),
        Route(
            "POST",
            "/v1/faults",
            pages.add,
            "admin",
            told=RouteDoc("Let something go wrong.", takes=Fault, gives=dict[str, Any], status=201),
        ),
        Route("DELETE", "/v1/faults", pages.clear, "admin", told=RouteDoc("End all faults.", gives=Cleared)),
        Route("DELETE", one, pages.remove, "admin", told=RouteDoc("End one.", gives=Cleared)),
    ]


class FaultPages:
    """The rules by which something goes wrong."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def listed(self, _: Request) -> Response:
        return in_json(FaultList([_fault(rule, fired) for rule, fired in self._faults.list()]))

    async def add(self, ask: Request) -> Response:
        try:
            rule = self._faults.add(from_json(ask, Fault))
        except TooManyRules as error:
            raise HttpError(409, str(error)) from None
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        return in_json(_fault(rule, 0), 201)

    async def clear(self, _: Request) -> Response:
        return in_json(Cleared(self._faults.clear()))

    async def remove(self, ask: Request) -> Response:
        try:
            self._faults.remove(ask.variables["id"])
        except KeyError:
            raise HttpError(404, "There is no such fault; GET /v1/faults lists those that are on.") from None
        return in_json(Cleared(1))


def _fault(rule: Fault, fired: int) -> dict[str, Any]:
    return {**to_builtins(rule), "fired": fired}
