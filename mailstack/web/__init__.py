"""HTTP service: web pages, JSON API, checks of letters, configuration files for mail clients.

`http_messages` has requests, responses and routes, without Twisted. `site` finds the page of a request and checks the access.
Pages are plain `async def` functions of a Request. `channel` and `request` are the HTTP/1.1 connection.
A server with `[listen] web` or `https` has a `listener`, which imports the other modules (`app`) with the first connection.
"""
