"""Tells other programs, by HTTP, what becomes of letters: durable, in their own time, and never in mail's way.

A step that somebody wants to hear of is queued in the transaction that stores it (`mailstack.store.outbox_types`). From
there an `announcer`, one for each target, claims what is due and has a Teller tell it: `webhook` posts it as JSON,
signed (`signing`). A target that does not hear is left alone for a growing time, with one probe at the end of each; what
is too old is dropped. Nothing of this holds a letter up, and at least once means: the same id twice, if need be.
"""
