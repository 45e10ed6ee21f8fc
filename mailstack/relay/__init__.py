"""Relay of letters to other hosts (RFC 5321 §5).

routes            static routes and smart hosts, as the operator writes them
routing           routing rules of the operator, by destination and sender
hosts             hosts of a destination in order of preference, and interface of the DNS resolver
tls_policy        TLS levels, and the table of their sources
mta_sts           MTA-STS policies of domains: discovery and cache
tls_requirements  TLS level of one host for one letter, by its own requests and all of these
session_opener    connections: opened, secured and authenticated
connection_pool   idle connections for the next letter, and back-off of hosts that are down
transactions      transactions of one letter with one host
trouble           meaning of replies, or of silence, for each recipient
agent             one attempt: all of the above in turn
external_relay    external relay of a dev environment, and guard of its other connections
"""

from __future__ import annotations
