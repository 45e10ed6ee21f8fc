"""Entry point of the single file: the command line."""

import sys

from mailstack.cli import main

sys.exit(main())
