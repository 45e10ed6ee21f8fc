"""Checks of a letter that an author asks for: `html` against what mail clients support, `links` whether they answer.

What mail clients support is known from caniemail.com: `caniemail.json`, under the licence beside it.
"""
