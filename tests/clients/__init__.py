"""The programs and libraries that people really use, against a dev environment in a process of its own."""
