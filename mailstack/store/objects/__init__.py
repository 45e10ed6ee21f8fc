"""Large contents in an S3-compatible object store, where every node of a server finds them.

`bucket` says what is asked of the object store, in threads that may wait; `contents` keeps contents there.
"""
