"""Mailbox files: mbox, Maildir and .eml, read and written.

`detect` finds letters in a path, `mbox` finds their offsets in such a file, `line_endings` converts LF and CRLF, and
`writers` write to the three formats.
"""
