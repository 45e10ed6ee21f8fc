"""Hashes the body of a content in one pass, for all who want to know it."""

from __future__ import annotations

from collections.abc import Iterable

from mailstack.letter import Content
from mailstack.policy.authentication import InThread
from mailstack.policy.authentication.canonical import BodyForm, BodyHash, HashedBody

SMALL = 131072
"""Octets that are hashed where they are; more are hashed in a thread, some at a time."""


async def hash_body(
    content: Content, starts_at: int, forms: Iterable[BodyForm], in_thread: InThread
) -> dict[BodyForm, HashedBody]:
    """The body that begins at an offset of the content, in each of these forms."""
    hashes = {form: BodyHash(form) for form in forms}
    if not hashes:
        return {}
    skipped, waiting, size = starts_at, list[bytes](), 0
    is_small = content.size <= SMALL
    async for octets in content.chunks():
        body = octets
        if skipped:
            body = octets[skipped:]
            skipped -= min(skipped, len(octets))
        waiting.append(body)
        size += len(body)
        if size > SMALL and not is_small:
            piece, waiting, size = b"".join(waiting), [], 0
            await in_thread(lambda piece=piece: _update(hashes.values(), piece))  # type: ignore[misc]
    _update(hashes.values(), b"".join(waiting))
    return {form: each.finish() for form, each in hashes.items()}


def _update(hashes: Iterable[BodyHash], octets: bytes) -> None:
    for each in hashes:
        each.update(octets)
