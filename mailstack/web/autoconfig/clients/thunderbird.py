"""Thunderbird on a computer."""

from __future__ import annotations

from mailstack.web.autoconfig.guide import ClientAccount, Guide, SetupStep, Trust, protocol_name, server_values


def write(account: ClientAccount) -> tuple[SetupStep, ...]:
    return (
        SetupStep(
            "Account Settings, Account Actions, Add Mail Account. Enter your name, your address and your password.",
            (("Address", account.address),),
        ),
        SetupStep(
            "If Thunderbird finds the settings by itself, compare them with those below. Else choose"
            f' "Configure manually". Incoming server, {protocol_name(account.reading)}:',
            server_values(account.reading, account.address),
        ),
        SetupStep(
            "Outgoing server, SMTP. It requires authentication: the same user name and password as the incoming one.",
            server_values(account.sending, account.address),
        ),
        SetupStep('Press "Done". Thunderbird logs in once to try the settings.'),
    )


THUNDERBIRD = Guide("thunderbird", "Thunderbird", write, trust=Trust.OWN_LIST)
