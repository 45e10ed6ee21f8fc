"""Several processes that serve one office on one machine: a master that listens and forks, and the workers it forks."""
