"""APIs of Mailpit, MailHog and GreenMail over the letters of a dev environment.

`pages` joins the routes of the three, `ground` is what they need, and `requests` reads what clients send. A path that went
is answered with what to use instead. Nothing of the server or of its own API imports this package.
"""
