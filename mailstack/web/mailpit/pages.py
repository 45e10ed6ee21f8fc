"""All paths of Mailpit's, for one office."""

from __future__ import annotations

from mailstack.web.ground import Ground
from mailstack.web.mailpit.about import Told, about_pages
from mailstack.web.mailpit.chaos import chaos_pages
from mailstack.web.mailpit.checks import check_pages
from mailstack.web.mailpit.events import event_pages
from mailstack.web.mailpit.message import message_pages
from mailstack.web.mailpit.messages import list_pages
from mailstack.web.mailpit.sending import sending_pages
from mailstack.web.routes import Route
from mailstack.web.shelf import Shelf


def mailpit_pages(ground: Ground, told: Told) -> tuple[Route, ...]:
    """Everything below /api/v1, /view and beside them."""
    shelf = Shelf(ground.catalogue, ground.in_thread)
    return (
        *list_pages(ground.catalogue, ground.clock),
        *message_pages(shelf, ground.clock),
        *sending_pages(shelf, ground.clock, ground.capture, ground.outward),
        *event_pages(ground.catalogue),
        *check_pages(shelf, ground.look, ground.judge),
        *chaos_pages(ground.faults),
        *about_pages(ground.catalogue, ground.clock, told),
    )
