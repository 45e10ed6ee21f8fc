"""STATION 3, MTA outward: carries letters to the hosts that answer for other domains (RFC 5321 §5).

routes       what the operator has decided: static routes, a smart host
patterns     how the operator names domains
names        what we ask of the domain name system
hosts        which hosts may take a letter for a destination, in order
security     which TLS is demanded of them: the table
sts_policy   what a domain publishes by MTA-STS
sts          that, found and kept
wishes       what the letter itself asks for
demands      all of these asked for one host and one letter
connections  sessions with them: opened, secured, kept for the next letter
trouble      what their replies, or their silence, mean for each recipient
agent        one attempt: all of the above in turn
loopback     the guard that keeps a local environment on this machine
"""

from __future__ import annotations
