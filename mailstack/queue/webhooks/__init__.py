"""Webhooks: durable notifications of other programs about steps, by HTTP.

A step that a target subscribes to is queued in the transaction that stores it (`mailstack.store.outbox`). From there an
`announcer`, one for each target, claims what is due and has it sent: `webhook` posts it as signed JSON (`signing`). A
target that fails is left alone for a growing time, with one probe at the end of each. What is too old is dropped.
Delivery is at least once: the same id may come twice. No letter ever waits for a webhook.
"""
