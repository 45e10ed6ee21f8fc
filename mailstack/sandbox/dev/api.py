"""API of a dev environment: servers, DNS zone, clock, faults, protocol log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins

from mailstack.letter.envelope import HostPort
from mailstack.letter.times import iso8601
from mailstack.net.zone import Zone, read_name, read_record, record_text
from mailstack.sandbox.dev.time_travel import ClockBusy, TimeTravel
from mailstack.sandbox.faults.faults import Faults, TooManyRules
from mailstack.sandbox.faults.rule import Fault
from mailstack.sandbox.recording import ProtocolLog, ProtocolLogEntry
from mailstack.web.http_messages import HttpError, Request, Response, decode_json, json_response
from mailstack.web.routes import HttpRoute, RouteDoc

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
) -> tuple[HttpRoute, ...]:
    """Routes for the servers, DNS zone, clock, faults and protocol log of an environment."""
    clock = ClockPages(travel)

    async def mail_servers(_: Request) -> Response:
        return json_response(ServerList([_shown(each) for each in servers()]))

    async def lines(_: Request) -> Response:
        return json_response(ProtocolShown(list(log.lines)))

    return (
        HttpRoute("GET", "/v1/servers", mail_servers, "admin", doc=RouteDoc("The mail servers.", response=ServerList)),
        *_zone_routes(ZonePages(zone)),
        HttpRoute("GET", "/v1/clock", clock.now, "admin", doc=RouteDoc("The time there.", response=ClockShown)),
        HttpRoute(
            "POST",
            "/v1/clock",
            clock.advance,
            "admin",
            doc=RouteDoc("Let time pass, and all happen that is due.", request=Advance, response=ClockShown),
        ),
        *_fault_routes(FaultPages(faults)),
        HttpRoute(
            "GET",
            "/v1/protocol",
            lines,
            "admin",
            doc=RouteDoc("What was said on every connection, without secrets.", response=ProtocolShown),
        ),
    )


def _shown(server: ServerInfo) -> ServerShown:
    services = {name: Service(at.host, at.port) for name, at in server.services.items()}
    return ServerShown(server.name, server.about, list(server.domains), services)


def _zone_routes(pages: ZonePages) -> list[HttpRoute]:
    one = "/v1/zone/{name}"
    return [
        HttpRoute(
            "GET",
            "/v1/zone",
            pages.names,
            "admin",
            doc=RouteDoc("The names of the environment's own DNS.", response=NameList),
        ),
        HttpRoute("GET", one, pages.one, "admin", doc=RouteDoc("The records of a name.", response=NameShown)),
        HttpRoute(
            "PUT",
            one,
            pages.put,
            "admin",
            doc=RouteDoc("Give a name these records and no others.", request=Records, response=NameShown),
        ),
        HttpRoute("DELETE", one, pages.remove, "admin", doc=RouteDoc("Forget a name.", response=NameShown)),
    ]


class ZonePages:
    """The DNS that the servers ask."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    async def names(self, _: Request) -> Response:
        return json_response(NameList([self._shown(name) for name in sorted(self._zone.known())]))

    def _shown(self, name: str) -> NameShown:
        return NameShown(name, [RecordShown(*record_text(each)) for each in self._zone.known().get(name, ())])

    async def one(self, ask: Request) -> Response:
        return json_response(self._shown(self._known(ask)))

    async def put(self, ask: Request) -> Response:
        wanted = decode_json(ask, Records).records
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
        return json_response(self._shown(name))

    async def remove(self, ask: Request) -> Response:
        name = self._known(ask)
        self._zone.remove(name)
        return json_response(NameShown(name, []))

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
        return json_response(ClockShown(iso8601(self._travel.now), self._travel.ahead))

    async def advance(self, ask: Request) -> Response:
        try:
            await self._travel.advance(decode_json(ask, Advance).advance)
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        except ClockBusy as delayed:
            raise HttpError(409, str(delayed)) from None
        return await self.now(ask)


def _fault_routes(pages: FaultPages) -> list[HttpRoute]:
    one = "/v1/faults/{id}"
    return [
        HttpRoute(
            "GET", "/v1/faults", pages.listed, "admin", doc=RouteDoc("What goes wrong on purpose.", response=FaultList)
        ),
        HttpRoute(
            "POST",
            "/v1/faults",
            pages.add,
            "admin",
            doc=RouteDoc("Let something go wrong.", request=Fault, response=dict[str, Any], status=201),
        ),
        HttpRoute("DELETE", "/v1/faults", pages.clear, "admin", doc=RouteDoc("End all faults.", response=Cleared)),
        HttpRoute("DELETE", one, pages.remove, "admin", doc=RouteDoc("End one.", response=Cleared)),
    ]


class FaultPages:
    """The rules by which something goes wrong."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def listed(self, _: Request) -> Response:
        return json_response(FaultList([_fault(rule, fired) for rule, fired in self._faults.list()]))

    async def add(self, ask: Request) -> Response:
        try:
            rule = self._faults.add(decode_json(ask, Fault))
        except TooManyRules as error:
            raise HttpError(409, str(error)) from None
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        return json_response(_fault(rule, 0), 201)

    async def clear(self, _: Request) -> Response:
        return json_response(Cleared(self._faults.clear()))

    async def remove(self, ask: Request) -> Response:
        try:
            self._faults.remove(ask.variables["id"])
        except KeyError:
            raise HttpError(404, "There is no such fault; GET /v1/faults lists those that are on.") from None
        return json_response(Cleared(1))


def _fault(rule: Fault, fired: int) -> dict[str, Any]:
    return {**to_builtins(rule), "fired": fired}
