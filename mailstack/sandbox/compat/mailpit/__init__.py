"""Mailpit's API v1, on our letters: what its clients ask finds an answer, in its words.

`shapes` are what it says and `taken` what it is given; `messages` are its lists, `message` is one of them, `sending` takes
letters in and sends them on, `events` tells what happens, `about` is the rest.
"""
