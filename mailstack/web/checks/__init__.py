"""Checks of a letter: HTML support in mail clients, links, spam filters.

The support of features in mail clients is data of caniemail.com: `caniemail.json`, under the license beside it.
"""
