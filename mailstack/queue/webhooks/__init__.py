"""Webhooks: durable notifications of other programs about steps, by HTTP.

A step that a target subscribes to is queued in the transaction that stores it (`mailstack.store.outbox`). From there a
`dispatcher`, one for each target, claims due entries and sends them: `webhook` posts them as signed JSON. A target that
fails gets a growing back-off, with one probe at the end of each. Entries that are too old are dropped.
Delivery is at least once: the same id may come twice. No letter ever waits for a webhook.
"""
