"""Accounts: logins through twisted.cred, and the directory of addresses."""
