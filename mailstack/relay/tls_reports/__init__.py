"""Daily TLS reports to other domains (RFC 8460).

The relay counts its sessions with hosts from the DNS, and stores the counts (`mailstack.store.tls_results`). Some time after the end of a day, the `reporter` reads the TLSRPT record of each domain. It writes the `report`,
and sends it by mail through the queue, or by HTTPS.
"""
