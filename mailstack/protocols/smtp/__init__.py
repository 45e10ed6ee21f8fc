"""SMTP and LMTP without I/O: server and client (RFC 5321).

Files:

* `commands` and `replies`: commands and replies as values
* `grammar`, `order`, `extensions`: syntax, order and extensions of commands
* `data_reader` and `bdat_reader`: contents of DATA and BDAT
* `server` and `client`: an engine for each side
* `server_session` and `client_session`: the session of the receiving and of the sending host
"""
