"""What clients, and the DNS, must be told of a server so that people's letters find their way.

`services` is the one source: host, port and security of each service. From it come the steps for people (`clients`),
the files that programs ask for (`autoconfig`, `autodiscover`, `mobileconfig`), and the DNS records (`records`).
None of them asks for a password, holds one, or looks at accounts.
"""
