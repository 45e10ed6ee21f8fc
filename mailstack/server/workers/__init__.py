"""Worker processes: a master binds the ports, and forks workers that serve."""
