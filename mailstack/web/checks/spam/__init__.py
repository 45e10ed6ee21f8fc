"""What a spam filter beside us says of a letter: SpamAssassin's spamd, or rspamd.

`verdict` is what they say, `spamassassin` and `rspamd` their languages, `chosen` the one that is asked.
"""
