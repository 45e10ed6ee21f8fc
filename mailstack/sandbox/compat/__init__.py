"""APIs of Mailpit, MailHog and GreenMail over the letters of a dev environment.

Files: `routes` joins the routes of `mailpit`, `mailhog` and `greenmail`, and `context` is what they share. A path without
support is answered with its replacement. Nothing of the server or of its own API imports this package.
"""
