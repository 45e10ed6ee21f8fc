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
from mailstack.web.http_messages import HttpError, HttpRoute, Request, Response, RouteDoc, decode_json, json_response

MAX_NAMES = 10_000
MAX_RECORDS = 100


class Service(Struct, frozen=True):
    host: str
    port: int


class ServerItem(Struct, frozen=True):
    name: str
    about: str
    domains: list[str]
    services: dict[str, Service]


class ServerList(Struct, frozen=True):
    servers: list[ServerItem]


class ZoneRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """DNS record as in a zone file, such as "MX" and "10 mx.elsewhere.test"."""

    type: str
    value: str


class ZoneName(Struct, frozen=True):
    name: str
    records: list[ZoneRecord]


class NameList(Struct, frozen=True):
    names: list[ZoneName]


class ZoneRecords(Struct, frozen=True, forbid_unknown_fields=True):
    records: Annotated[list[ZoneRecord], Meta(max_length=MAX_RECORDS)]


class ClockState(Struct, frozen=True):
    now: str
    ahead: float
    """Offset from the clock of this machine, in seconds."""


class ClockAdvance(Struct, frozen=True, forbid_unknown_fields=True):
    """Duration such as "36h", or seconds."""

    advance: str | float


class FaultList(Struct, frozen=True):
    faults: list[dict[str, Any]]


class RemovedFaults(Struct, frozen=True):
    cleared: int


class ProtocolLines(Struct, frozen=True):
    """Newest lines of the protocol log, in order of time."""

    lines: list[ProtocolLogEntry]


class ServerInfo(Struct, frozen=True):
    """Facts of a mail server of the environment."""

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
        return json_response(ServerList([_server_item(each) for each in servers()]))

    async def lines(_: Request) -> Response:
        return json_response(ProtocolLines(list(log.lines)))

    return (
        HttpRoute("GET", "/v1/servers", mail_servers, "admin", RouteDoc("List the mail servers.", ServerList)),
        *_zone_routes(ZonePages(zone)),
        HttpRoute("GET", "/v1/clock", clock.now, "admin", RouteDoc("Get the time of the environment.", ClockState)),
        HttpRoute(
            "POST",
            "/v1/clock",
            clock.advance,
            "admin",
            RouteDoc("Advance the clock, and do all that is due.", ClockState, ClockAdvance),
        ),
        *_fault_routes(FaultPages(faults)),
        HttpRoute(
            "GET",
            "/v1/protocol",
            lines,
            "admin",
            RouteDoc("Get the protocol log of all sessions, without secrets.", ProtocolLines),
        ),
    )


def _server_item(server: ServerInfo) -> ServerItem:
    services = {name: Service(at.host, at.port) for name, at in server.services.items()}
    return ServerItem(server.name, server.about, list(server.domains), services)


def _zone_routes(pages: ZonePages) -> list[HttpRoute]:
    one = "/v1/zone/{name}"
    return [
        HttpRoute("GET", "/v1/zone", pages.names, "admin", RouteDoc("List the names in the DNS zone.", NameList)),
        HttpRoute("GET", one, pages.one, "admin", RouteDoc("Get the records of a name.", ZoneName)),
        HttpRoute("PUT", one, pages.put, "admin", RouteDoc("Replace the records of a name.", ZoneName, ZoneRecords)),
        HttpRoute("DELETE", one, pages.remove, "admin", RouteDoc("Remove a name.", ZoneName)),
    ]


class ZonePages:
    """Handlers for the DNS zone."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    async def names(self, _: Request) -> Response:
        return json_response(NameList([self._zone_name(name) for name in sorted(self._zone.records())]))

    def _zone_name(self, name: str) -> ZoneName:
        return ZoneName(name, [ZoneRecord(*record_text(each)) for each in self._zone.records().get(name, ())])

    async def one(self, request: Request) -> Response:
        return json_response(self._zone_name(self._existing_name(request)))

    async def put(self, request: Request) -> Response:
        given = decode_json(request, ZoneRecords).records
        name = _name(request)
        try:
            records = [read_record(each.type, each.value) for each in given]
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        if name not in self._zone.records() and len(self._zone.records()) >= MAX_NAMES:
            raise HttpError(
                409, f"The zone has the maximum of {MAX_NAMES} names; remove one with DELETE /v1/zone/NAME."
            )
        self._zone.replace(name, *records)
        return json_response(self._zone_name(name))

    async def remove(self, request: Request) -> Response:
        name = self._existing_name(request)
        self._zone.remove(name)
        return json_response(ZoneName(name, []))

    def _existing_name(self, request: Request) -> str:
        """Raises HttpError 404."""
        name = _name(request)
        if name not in self._zone.records():
            raise HttpError(404, f"{name[:100]} is not in the zone; GET /v1/zone lists the names.")
        return name


def _name(request: Request) -> str:
    """Name in the path, normalized. Raises HttpError 400."""
    try:
        return read_name(request.variables["name"])
    except ValueError as error:
        raise HttpError(400, f"{request.variables['name'][:100]!r} is not a DNS name: {error}") from None


class ClockPages:
    """Handlers for the clock."""

    def __init__(self, travel: TimeTravel) -> None:
        self._travel = travel

    async def now(self, _: Request) -> Response:
        return json_response(ClockState(iso8601(self._travel.now), self._travel.ahead))

    async def advance(self, request: Request) -> Response:
        try:
            await self._travel.advance(decode_json(request, ClockAdvance).advance)
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        except ClockBusy as error:
            raise HttpError(409, str(error)) from None
        return await self.now(request)


def _fault_routes(pages: FaultPages) -> list[HttpRoute]:
    one = "/v1/faults/{id}"
    return [
        HttpRoute("GET", "/v1/faults", pages.list, "admin", RouteDoc("List the fault rules.", FaultList)),
        HttpRoute("POST", "/v1/faults", pages.add, "admin", RouteDoc("Add a fault rule.", dict[str, Any], Fault, 201)),
        HttpRoute("DELETE", "/v1/faults", pages.clear, "admin", RouteDoc("Remove all fault rules.", RemovedFaults)),
        HttpRoute("DELETE", one, pages.remove, "admin", RouteDoc("Remove a fault rule.", RemovedFaults)),
    ]


class FaultPages:
    """Handlers for the fault rules."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def list(self, _: Request) -> Response:
        return json_response(FaultList([_fault(rule, fired) for rule, fired in self._faults.list()]))

    async def add(self, request: Request) -> Response:
        try:
            rule = self._faults.add(decode_json(request, Fault))
        except TooManyRules as error:
            raise HttpError(409, str(error)) from None
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        return json_response(_fault(rule, 0), 201)

    async def clear(self, _: Request) -> Response:
        return json_response(RemovedFaults(self._faults.clear()))

    async def remove(self, request: Request) -> Response:
        try:
            self._faults.remove(request.variables["id"])
        except KeyError:
            raise HttpError(404, "There is no such fault rule; GET /v1/faults lists the rules.") from None
        return json_response(RemovedFaults(1))


def _fault(rule: Fault, fired: int) -> dict[str, Any]:
    return {**to_builtins(rule), "fired": fired}
