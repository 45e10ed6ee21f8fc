"""Client configuration and DNS records of a server.

`services` is the one source: host, port and security of each service. From it come the steps for people (`clients`),
the files that programs ask for (`autoconfig`, `autodiscover`, `mobileconfig`), and the DNS records (`records`).
None of them asks for a password, holds one, or looks at accounts.
"""
