"""Object store of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailstack.config.model import Config
from mailstack.store import StoreError
from mailstack.store.worker_threads import CallsFromThreads

if TYPE_CHECKING:
    from mailstack.store.objects.bucket import Place
    from mailstack.store.objects.contents import ContentObjects


def content_objects(config: Config, reactor: CallsFromThreads) -> ContentObjects | None:
    """Where large contents go; None where they stay with the store. Raises StoreError."""
    ours = config.contents
    if not ours.bucket:
        return None
    # Only an office with an object store pays for it.
    from mailstack.store.objects.contents import ContentObjects  # noqa: PLC0415

    return ContentObjects(
        reactor,
        place_of(config),
        config.data,
        threads=ours.connections,
        patience=ours.patience,
        orphan_age=ours.orphan_age,
        takes=not ours.only_read,
    )


def place_of(config: Config) -> Place:
    """Where the bucket is. Raises StoreError."""
    from mailstack.store.objects.bucket import Place  # noqa: PLC0415

    ours = config.contents
    return Place(
        ours.bucket,
        ours.endpoint,
        ours.region,
        ours.prefix,
        ours.access_key,
        _secret(config),
        ours.ca_file,
        ours.connect_timeout,
        ours.timeout,
        ours.attempts,
    )


def _secret(config: Config) -> str:
    """The first line of the file. Raises StoreError."""
    file = config.contents.secret_key_file
    if file is None:
        return ""
    try:
        found = file.read_text().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"[contents] secret_key_file: {file} cannot be read: {error}") from error
    if not found:
        raise StoreError(f"[contents] secret_key_file: the first line of {file} is empty; the secret belongs there")
    return found
