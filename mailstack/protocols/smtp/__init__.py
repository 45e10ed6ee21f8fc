"""SMTP and LMTP without I/O: server and client (RFC 5321).

* `commands` and `replies`: what a client and a server say, as values
* `grammar`, `order`, `content`, `extensions`: what they may say
* `server` and `client`: an engine for each side
* `session` and `sending`: the conversation of the receiving and of the sending host
"""
