"""Set-up guides of all supported mail clients, one file a family."""

from __future__ import annotations

from mailstack.web.autoconfig.clients.android import GMAIL_APP, K9
from mailstack.web.autoconfig.clients.apple import APPLE_MAIL, IOS
from mailstack.web.autoconfig.clients.outlook import OUTLOOK_CLASSIC, OUTLOOK_NEW
from mailstack.web.autoconfig.clients.terminal import MSMTP_MPOP, MUTT
from mailstack.web.autoconfig.clients.thunderbird import THUNDERBIRD

GUIDES = (THUNDERBIRD, OUTLOOK_NEW, OUTLOOK_CLASSIC, APPLE_MAIL, IOS, GMAIL_APP, K9, MUTT, MSMTP_MPOP)
"""Guides of all clients, in the order of display."""

BY_NAME = {guide.name: guide for guide in GUIDES}
