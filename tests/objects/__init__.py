"""A real object store for tests: OpenStack Swift, which speaks S3, from its package; or one that the environment names."""
