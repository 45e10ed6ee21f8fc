"""Letters in files of others: mbox, Maildir and single .eml files, read into an office and written out of one.

`finding` looks for letters in what somebody names, `mbox` knows where they begin in such a file, `lines` gives all of
them the line ends of mail, and `folders` are the three places that letters are written to.
"""
