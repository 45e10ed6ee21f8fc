"""`python -m mailstack`: the command line."""

from __future__ import annotations

from mailstack.cli import main

main(prog_name="mailstack")
