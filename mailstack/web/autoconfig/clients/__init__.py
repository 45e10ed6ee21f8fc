"""The clients that we know how to set up, one file for each family."""

from __future__ import annotations

from mailstack.web.autoconfig.clients.android import GMAIL_APP, K9
from mailstack.web.autoconfig.clients.apple import APPLE_MAIL, IOS
from mailstack.web.autoconfig.clients.outlook import OUTLOOK_CLASSIC, OUTLOOK_NEW
from mailstack.web.autoconfig.clients.terminal import MSMTP_MPOP, MUTT
from mailstack.web.autoconfig.clients.thunderbird import THUNDERBIRD

GUIDES = (THUNDERBIRD, OUTLOOK_NEW, OUTLOOK_CLASSIC, APPLE_MAIL, IOS, GMAIL_APP, K9, MUTT, MSMTP_MPOP)
"""In the order that people are shown."""

BY_NAME = {guide.name: guide for guide in GUIDES}
