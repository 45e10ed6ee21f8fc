"""Daily TLS reports to other domains (RFC 8460).

The relay counts its sessions with hosts that the DNS names (`mailstack.store.tls_results`); a `collector` brings the counts
into the store. When a day is over, and a while more, so that not all the world reports at midnight, the `reporter` asks
each domain's TLSRPT `record`, writes the `report`, and sends it as a `letter` through our own queue, or posts it.
"""
