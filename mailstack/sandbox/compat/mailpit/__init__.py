"""Mailpit's API v1 and its WebSocket over the letters of a dev environment.

`pages` is the table of routes, `schemas` and `serialize` are what they answer. `messages` has lists and tags, `message` one
letter, `checks` opinions about it, `sending` the ways in and out, `events` the WebSocket, and `about` the rest.
"""
