"""JSON API below /v1/: letters, waits, events, journeys, queue, accounts.

`shapes` are the values that go out; each other module has the routes about one thing, and `routes` puts them together.
"""
