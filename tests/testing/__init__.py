"""The pytest plugin and what it is made of, as those who test their own programs use it."""
