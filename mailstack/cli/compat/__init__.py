"""`mailstack dev --compat`: the options, variables and ports of Mailpit, MailHog and GreenMail, understood as they are.

`flags` reads options as they write them, against a table; `wish` gathers what they ask for; `mailpit`, `mailhog` and
`greenmail` are the tables, and `understood` finds the one. Nothing is passed over in silence: an option is honoured, or a line says what to do instead.
"""
