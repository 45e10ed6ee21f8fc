"""The queue of an office that is not served: what was just being attempted when it was killed is claimed by nobody."""

from __future__ import annotations

from mailstack.queue.delivery import DeliveryState
from mailstack.store.rows import FAR
from mailstack.store.tables import Row, Table

DELIVERIES = "deliveries"


def at_rest(table: Table, row: Row) -> Row:
    """A row as it goes into a copy. Its next attempt is when it would be if the one under way had failed for a while.

    Else it would wait for the end of its claim, hours away: whoever serves the copy has another name.
    """
    if table.name != DELIVERIES or row[table.columns.index("claimed_by")] is None:
        return row
    values = dict(zip(table.columns, row, strict=True))
    values |= {"claimed_by": None, "lease": 0.0, "waits_until": None}
    if values["state"] == DeliveryState.HELD.value:
        values["waits_until"] = FAR
    elif values["state"] == DeliveryState.QUEUED.value:
        values["waits_until"] = values["due"]
    return tuple(values.values())
