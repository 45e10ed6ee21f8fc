"""Mailbox files: mbox, Maildir and .eml, read and written.

`finding` looks for letters in what somebody names, `mbox` knows where they begin in such a file, `lines` gives all of
them the line ends of mail, and `folders` are the three places that letters are written to.
"""
