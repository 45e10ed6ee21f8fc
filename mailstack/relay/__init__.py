"""STATION 3, MTA outward: carries letters to the hosts that answer for other domains (RFC 5321 §5).

routes          static routes and smart hosts, as the operator writes them
routing         all that the operator says about destinations and senders
patterns        patterns of domains
names           questions to the domain name system
hosts           hosts that may take a letter for a destination, in order
security        TLS levels: the table
sts_policy      MTA-STS policies of domains
sts             the same, found and kept
wishes          demands of the letter itself
demands         TLS level of one host for one letter, by all of these
session_opener  connections: opened, secured and authenticated
connections     connections kept for the next letter
transactions    transactions of one letter with one host
trouble         meaning of replies, or of silence, for each recipient
agent           one attempt: all of the above in turn
limits          limits and times of all of these
loopback        guard that keeps a local environment on this machine
"""

from __future__ import annotations
