"""DELIVERBY (RFC 2852): the time limit of a delivery."""

from __future__ import annotations

from mailstack.letter import Envelope, Recipient, Status
from mailstack.letter.time_parameters import BY, DeliverBy, read_by
from mailstack.protocols.smtp.commands import Parameters
from mailstack.protocols.smtp.extensions.extension import Extension, Extensions, Facts, OutgoingHook, Parameter
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

_SYNTAX = reply(501, "5.5.4", "BY takes seconds and a mode, such as 120;R or 600;NT")
_PASSED = reply(501, "5.5.4", "BY with mode R takes a positive number of seconds")


def _argument(facts: Facts) -> str | None:
    # §2: the minimum by-time; without it there is no limit.
    minimum = facts.capabilities.min_by
    return None if minimum is None else str(minimum) if minimum else ""


def _read(value: str | None, facts: Facts) -> str:
    try:
        by = read_by(value or "")
    except ValueError:
        raise Refusal(_SYNTAX) from None
    if by.returns:
        minimum = facts.capabilities.min_by or 0
        if by.seconds <= 0:
            raise Refusal(_PASSED)
        if by.seconds < minimum:
            raise Refusal(reply(555, "5.5.4", f"BY with mode R takes at least {minimum} seconds here"))
    return str(by)


class _DeliverByHook(OutgoingHook):
    """Rules for hosts with and without DELIVERBY."""

    def refusal(self, extensions: Extensions, envelope: Envelope) -> Reply | None:
        """§4.1.4.1: mode R requires a host with DELIVERBY and enough time."""
        by = _deliver_by(envelope)
        if not by.returns:
            return None
        if by.seconds <= 0:
            return _unfit("the time for delivery has passed")
        if "DELIVERBY" not in extensions:
            return _unfit("the message needs DELIVERBY, which the host does not offer")
        minimum = extensions["DELIVERBY"].partition(",")[0].strip()
        if minimum.isdecimal() and int(minimum[:10]) > by.seconds:
            return _unfit(f"{by.seconds} seconds are left, the host requires at least {minimum[:10]}")
        return None

    def rcpt_parameters(
        self, extensions: Extensions, envelope: Envelope, recipient: Recipient, parameters: Parameters
    ) -> Parameters:
        """§4.1.4.2: request reports of delay from a host without DELIVERBY while time is left."""
        by = _deliver_by(envelope)
        if "DELIVERBY" in extensions or by.returns or by.seconds <= 0:
            return parameters
        remaining = tuple(pair for pair in parameters if pair[0] != "NOTIFY")
        notify = dict(recipient.parameters).get("NOTIFY", "FAILURE,DELAY")
        if notify.upper() != "NEVER" and "DELAY" not in notify.upper().split(","):
            notify = f"{notify},DELAY"
        return (*remaining, ("NOTIFY", notify))


def _unfit(reason: str) -> Reply:
    """Refusal in place of the host's reply."""
    return Reply(554, reason, Status(5, 4, 7))


def _deliver_by(envelope: Envelope) -> DeliverBy:
    return read_by(dict(envelope.parameters)[BY])


DELIVERBY = Extension(
    "DELIVERBY", _argument, mail={BY: Parameter(_read, travels=True)}, outgoing={BY: _DeliverByHook()}
)
