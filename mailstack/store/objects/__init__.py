"""Large contents in an S3-compatible object store, shared by all nodes of a server.

`bucket` makes the blocking requests, in threads; `contents` implements the content storage.
"""
