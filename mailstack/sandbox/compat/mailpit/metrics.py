"""What /metrics tells Prometheus, under Mailpit's names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from mailstack.sandbox.compat.mailpit.shapes import Information
from mailstack.web.http_values import Request, Response
from mailstack.web.routes import Route


def metric_pages(information: Callable[[], Awaitable[Information]]) -> tuple[Route, ...]:
    """One path, in the text form of Prometheus."""

    async def metrics(_: Request) -> Response:
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415 - few ask

        now: Any = _Now(await information())
        return Response(generate_latest(now), CONTENT_TYPE_PLAIN_0_0_4)

    return (Route("GET", "/metrics", metrics, "admin"),)


class _Now:
    """A registry of what is true at this moment."""

    def __init__(self, information: Information) -> None:
        self._information = information

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

        now, stats = self._information, self._information.runtime_stats
        gauges: Mapping[str, tuple[str, float]] = {
            "mailpit_messages": ("Letters that are kept", now.messages),
            "mailpit_messages_unread": ("Letters that nobody opened", now.unread),
            "mailpit_database_size_bytes": ("Octets of the database", now.database_size),
            "mailpit_uptime_seconds": ("Seconds since the start", stats.uptime),
            "mailpit_memory_usage_bytes": ("Octets of memory, at most so far", stats.memory),
        }
        counters: Mapping[str, tuple[str, float]] = {
            "mailpit_messages_deleted": ("Letters deleted since the start", stats.messages_deleted),
            "mailpit_smtp_accepted": ("Letters accepted since the start", stats.smtp_accepted),
            "mailpit_smtp_accepted_size_bytes": ("Octets of these", stats.smtp_accepted_size),
        }
        yield from (GaugeMetricFamily(name, says, value=value) for name, (says, value) in gauges.items())
        yield from (CounterMetricFamily(name, says, value=value) for name, (says, value) in counters.items())
        tags = GaugeMetricFamily("mailpit_tag_counters", "Letters with each tag", labels=["tag"])
        for tag, count in now.tags.items():
            tags.add_metric([tag], count)
        yield tags
