"""DELIVERBY (RFC 2852): the time limit of a delivery."""

from __future__ import annotations

from mailstack.letter import Envelope, Recipient, Status
from mailstack.letter.time_parameters import BY, DeliverBy, read_by
from mailstack.protocols.smtp.commands import Parameters
from mailstack.protocols.smtp.extensions.extension import Extension, Extensions, Facts, OutgoingHook, Parameter
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

_SYNTAX = reply(501, "5.5.4", "BY takes seconds and a mode, such as 120;R or 600;NT")
_PASSED = reply(501, "5.5.4", "BY with mode R takes a time to come")


def _announced(facts: Facts) -> str | None:
    # §2: the least by-time that makes sense here; without it there is no limit.
    least = facts.capabilities.least_by
    return None if least is None else str(least) if least else ""


def _read(value: str | None, facts: Facts) -> str:
    try:
        by = read_by(value or "")
    except ValueError:
        raise Refusal(_SYNTAX) from None
    if by.returns:
        least = facts.capabilities.least_by or 0
        if by.seconds <= 0:
            raise Refusal(_PASSED)
        if by.seconds < least:
            raise Refusal(reply(555, "5.5.4", f"BY with mode R takes at least {least} seconds here"))
    return str(by)


class _DeliverByHook(OutgoingHook):
    """Rules for hosts with and without DELIVERBY."""

    def refusal(self, extensions: Extensions, envelope: Envelope) -> Reply | None:
        """§4.1.4.1: mode R goes only to a host that promises the time, and can keep it."""
        by = _deliver_by(envelope)
        if not by.returns:
            return None
        if by.seconds <= 0:
            return _unfit("the time for delivery has passed")
        if "DELIVERBY" not in extensions:
            return _unfit("the letter needs DELIVERBY, which the host does not offer")
        least = extensions["DELIVERBY"].partition(",")[0].strip()
        if least.isdecimal() and int(least[:10]) > by.seconds:
            return _unfit(f"{by.seconds} seconds are left, the host wants {least[:10]} at least")
        return None

    def rcpt_parameters(
        self, extensions: Extensions, envelope: Envelope, recipient: Recipient, parameters: Parameters
    ) -> Parameters:
        """§4.1.4.2: a host without DELIVERBY is asked to report delays instead, while there is time left."""
        by = _deliver_by(envelope)
        if "DELIVERBY" in extensions or by.returns or by.seconds <= 0:
            return parameters
        others = tuple(each for each in parameters if each[0] != "NOTIFY")
        notify = dict(recipient.parameters).get("NOTIFY", "FAILURE,DELAY")
        if notify.upper() != "NEVER" and "DELAY" not in notify.upper().split(","):
            notify = f"{notify},DELAY"
        return (*others, ("NOTIFY", notify))


def _unfit(reason: str) -> Reply:
    """The reply that the host would have to give."""
    return Reply(554, reason, Status(5, 4, 7))


def _deliver_by(envelope: Envelope) -> DeliverBy:
    return read_by(dict(envelope.parameters)[BY])


DELIVERBY = Extension(
    "DELIVERBY", _announced, mail={BY: Parameter(_read, travels=True)}, outgoing={BY: _DeliverByHook()}
)
