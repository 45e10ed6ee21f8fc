"""Files in YAML, as Mailpit has its settings in them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from mailstack.cli.errors import CommandError

T = TypeVar("T")

MOST = 1_000_000
"""Characters of a file."""


def read_yaml(option: str, file: str, kind: type[T]) -> T:
    """Raises Refused. PyYAML, which reads it, comes with `mailstack[yaml]`."""
    try:
        with Path(file).open("rb") as stream:
            octets = stream.read(MOST)
        return msgspec.yaml.decode(octets, type=kind)
    except OSError as error:
        raise CommandError(f"{option}: {file}: {error.strerror}") from None
    except ImportError:
        raise CommandError(f"{option}: PyYAML is not here to read {file}; pip install 'mailstack[yaml]'") from None
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise CommandError(f"{option}: {file}: {error}") from None
