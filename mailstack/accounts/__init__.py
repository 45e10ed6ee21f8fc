"""GROUND: who may come in (twisted.cred), and who lives here."""
