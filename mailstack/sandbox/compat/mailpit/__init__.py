"""Mailpit's API v1 and its WebSocket over the letters of a dev environment.

Files: `messages` has lists and tags, `message` one letter and its checks, `serialize` their JSON, and `about` all other
routes.
"""
