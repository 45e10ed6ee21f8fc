"""Instructions that one letter costs a server, counted by valgrind: `python -m tests.benchmarks.instructions`."""
