"""Relay of letters to other hosts (RFC 5321 §5).

routes          static routes and smart hosts, as the operator writes them
routing         all that the operator says about destinations and senders
dns             interface of the DNS resolver
hosts           hosts that may take a letter for a destination, in order
tls_policy      TLS levels, and the table of their sources
mta_sts_policy  MTA-STS policies of domains
mta_sts         discovery and cache of these policies
require_tls     TLS requests of the letter itself
tls_requirements  TLS level of one host for one letter, by all of these
session_opener  connections: opened, secured and authenticated
connection_pool  idle connections, for the next letter
host_backoff    back-off of hosts that are down
transactions    transactions of one letter with one host
trouble         meaning of replies, or of silence, for each recipient
agent           one attempt: all of the above in turn
limits          limits and times of all of these
loopback        guard that keeps a local environment on this machine
"""

from __future__ import annotations
