"""Fuzzes every parser of `tests.parsers`, led by the code that octets reach: `make fuzz`."""
