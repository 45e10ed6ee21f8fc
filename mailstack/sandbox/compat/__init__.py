"""What clients of Mailpit, MailHog and GreenMail ask for, on our letters: each tool's paths are a package, `pages` has them together.

Only a dev environment has them; they stand on a Ground, and nothing of the office or its own API knows them.
"""
