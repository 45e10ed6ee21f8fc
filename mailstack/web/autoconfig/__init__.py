"""Client configuration and DNS records of a server.

`guide` has the host, port and security of each service. From them come the steps for people (`clients`), the files for
programs (`autoconfig`), and the DNS records (`records`). No module needs a password or an account.
"""
