"""JSON API below /v1/: letters, waits, events, journeys, queue, accounts.

`schemas` are the values of responses. Each other module has the routes of one subject; `mailstack.web.app` lists them.
"""
