"""A PostgreSQL for tests: given by `MAILSTACK_TEST_POSTGRES`, or a cluster of their own from the installed programs."""
