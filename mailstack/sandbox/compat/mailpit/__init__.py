"""Mailpit's API v1 and its WebSocket over the letters of a dev environment.

`pages` is the table of routes, `schemas` and `serialize` have their responses. `messages` has lists and tags, `message`
one letter, `checks` its checks, `sending` submission and release, `events` the WebSocket, and `about` all other routes.
"""
