"""Recording of protocol sessions: dialogues without secrets, and the live protocol log."""
