"""GROUND: the one place where engines and conversations meet Twisted: sockets, TLS, names, time, the log."""
