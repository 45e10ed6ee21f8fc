"""TLS for Twisted transports, as the rest of the program imports it: contexts, files, and what was negotiated."""

from __future__ import annotations

from mailstack.net.certificates import CertificateFiles, TlsError, private_ca
from mailstack.net.client_tls import client_context
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.net.tls_info import tls_facts

__all__ = [
    "CertificateFiles",
    "ServerContext",
    "TlsError",
    "client_context",
    "private_ca",
    "server_context",
    "tls_facts",
]
