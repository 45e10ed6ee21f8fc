"""Mailpit's application information, interface settings, health checks and chaos triggers."""

from __future__ import annotations

import resource
from collections.abc import Mapping

from mailstack import __version__
from mailstack.mailbox.index.items import ItemFilter
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.compat.context import CompatContext, decode_body
from mailstack.sandbox.compat.mailpit.serialize import (
    AppInformation,
    ChaosRequest,
    ChaosTrigger,
    InterfaceSettings,
    MessageRelay,
    RuntimeStats,
)
from mailstack.sandbox.faults import Fault, Faults
from mailstack.web.http_messages import HttpError, Request, Response, json_response, text_response

VERSION = f"v1.30.5 (mailstack {__version__})"
"""Version of the API, which clients read."""

_TRIGGERS = {"Sender": ("mail", 451), "Recipient": ("rcpt", 451), "Authentication": ("auth", 535)}
"""Mailpit's triggers: step of the session, and usual code."""


class InfoHandlers:
    """Facts of the environment."""

    def __init__(self, context: CompatContext) -> None:
        self._context = context
        self._index = context.index

    async def info(self, _: Request) -> Response:
        await self._index.up_to_date()
        listed = await self._index.find(ItemFilter(), 0)
        data, counters = self._context.data, self._context.counters
        files = [each for each in (data.iterdir() if data else ()) if ".sqlite3" in each.name]
        stats = RuntimeStats(
            uptime=int(self._context.clock.now() - counters.begun),
            memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            messages_deleted=counters.deleted,
            smtp_accepted=counters.accepted,
            smtp_accepted_size=counters.octets,
            smtp_rejected=0,
            smtp_ignored=0,
        )
        return json_response(
            AppInformation(
                version=VERSION,
                latest_version=VERSION,
                database=str(data or ""),
                database_size=sum(each.stat().st_size for each in files),
                messages=listed.total,
                unread=listed.unread,
                tags=await self._index.tags(),
                runtime_stats=stats,
            )
        )

    async def interface(self, _: Request) -> Response:
        return json_response(
            InterfaceSettings(
                label="",
                message_relay=_relay(self._context.relay),
                spam_assassin=self._context.check_spam is not None,
                chaos_enabled=True,
                duplicates_ignored=False,
                hide_delete_all_button=False,
            )
        )

    async def ready(self, _: Request) -> Response:
        """Answers once the index can be read."""
        await self._index.find(ItemFilter(), 0)
        return text_response("OK")


async def alive(_: Request) -> Response:
    """Answers while the process runs."""
    return text_response("OK")


def _relay(relay: ExternalRelay | None) -> MessageRelay:
    """Settings of `release`; without a relay a released letter stays on this machine."""
    if relay is None:
        return MessageRelay(enabled=True)
    return MessageRelay(
        enabled=True,
        smtp_server=f"{relay.host}:{relay.port}",
        return_path=relay.return_path,
        allowed_recipients=relay.allowed,
        blocked_recipients=relay.blocked,
        override_from=relay.override_from,
        preserve_message_ids=relay.keep_message_id,
    )


class ChaosHandlers:
    """Chaos triggers as fault rules, one for each trigger that is on."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def triggers(self, _: Request) -> Response:
        """Answers all three triggers; one without a rule has the probability 0."""
        rules = {rule.id: rule for rule, _ in self._faults.list()}
        return json_response(
            {name: _trigger(rules.get(_rule_id(name)), usual) for name, (_, usual) in _TRIGGERS.items()}
        )

    async def set_triggers(self, request: Request) -> Response:
        """Replaces all triggers; missing ones are off."""
        chaos = decode_body(request, ChaosRequest)
        triggers = {"Sender": chaos.sender, "Recipient": chaos.recipient, "Authentication": chaos.authentication}
        rules = [rule for name, trigger in triggers.items() if trigger and (rule := _rule(name, trigger))]
        for rule_id in {rule.id for rule, _ in self._faults.list()}.intersection(map(_rule_id, _TRIGGERS)):
            self._faults.remove(rule_id)
        for rule in rules:
            self._faults.add(rule)
        return await self.triggers(request)


def _rule(name: str, trigger: ChaosTrigger) -> Fault | None:
    """Fault of a trigger; None for the probability 0. Raises HttpError 400."""
    step, usual = _TRIGGERS[name]
    code = trigger.error_code or usual
    if not 400 <= code <= 599 or not 0 <= trigger.probability <= 100:
        raise HttpError(400, f"{name}: ErrorCode must be from 400 to 599, Probability from 0 to 100")
    if not trigger.probability:
        return None
    reply = f"{code} {code // 100}.0.0 chaos: {name.lower()} refused"
    return Fault(at=step, id=_rule_id(name), reply=reply, probability=trigger.probability / 100)


def _rule_id(name: str) -> str:
    return f"mailpit-{name.lower()}"


def _trigger(rule: Fault | None, usual: int) -> Mapping[str, int]:
    if rule is None:
        return {"ErrorCode": usual, "Probability": 0}
    return {"ErrorCode": rule.refusal.code, "Probability": round(rule.probability * 100)}
