"""Whether the object store takes a content, gives it back, and removes it."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from hashlib import sha256

from mailstack.cli.checks.finding import Finding, broken, good
from mailstack.config import Config
from mailstack.server.wiring.store import place_of
from mailstack.store import StoreError
from mailstack.store.contents import OBJECT
from mailstack.store.objects.bucket import Bucket, trouble
from mailstack.store.objects.contents import Reading

PROBE = b"A content that `mailstack check` wrote, and removes.\r\n"


def check_objects(config: Config) -> Iterator[Finding]:
    """Nothing is said of a server that has no object store."""
    ours = config.contents
    if not ours.bucket:
        return
    name = f"{secrets.token_hex(16)}.{sha256(PROBE).hexdigest()}"
    where = f"bucket {ours.bucket} at {ours.endpoint or 'Amazon'}"
    try:
        bucket = Bucket(place_of(config), 1)
        bucket.put(name, io.BytesIO(PROBE), len(PROBE))
        try:
            reading = Reading(bucket, f"{OBJECT}{name}", len(PROBE))
            reading.next()
            reading.close()
            bucket.older_than(0.0, "")
        finally:
            bucket.delete(name)
        bucket.drop_parts(ours.orphan_age)
        bucket.close()
    except Exception as error:
        found = trouble(error)
        if not isinstance(found, StoreError):
            raise
        yield broken("contents", f"{where}: {found}")
        return
    yield good("contents", f"{where} takes contents, gives them back and removes them")
