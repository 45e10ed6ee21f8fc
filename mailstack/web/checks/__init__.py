"""Checks of a letter: HTML support in mail clients, links, spam filters.

What mail clients support is known from caniemail.com: `caniemail.json`, under the licence beside it.
"""
