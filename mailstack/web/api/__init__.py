"""The server's own HTTP API, below /v1/: letters, waiting, events, journeys, the queue, accounts, and what else people manage.

`shapes` are the values that go out; each other module has the routes about one thing, and `routes` puts them together.
"""
