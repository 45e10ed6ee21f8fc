"""Display text of letters: printable characters, sizes and local times."""

from __future__ import annotations

from datetime import UTC, datetime


def clean(text: str) -> str:
    """`text` with an escape for each character that is not printable: peers choose much of what is shown."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def size_text(octets: int) -> str:
    """Size in decimal units: "812 B", "1.2 kB", "5.0 MB", "12.5 GB"."""
    if octets < 1000:
        return f"{octets} B"
    if octets < 1_000_000:
        return f"{octets / 1000:.1f} kB"
    if octets < 1_000_000_000:
        return f"{octets / 1_000_000:.1f} MB"
    return f"{octets / 1_000_000_000:.1f} GB"


def local_text(at: float) -> str:
    """Local date and time of `at` (seconds since 1970), to the second."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_text(at: float) -> str:
    """Local time of day of `at` (seconds since 1970), to the millisecond."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def span_text(seconds: float) -> str:
    """Duration in its two largest units: "3 d 4 h", "12 s"."""
    rest = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
