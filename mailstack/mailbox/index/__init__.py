"""Index of all letters of a server, for pages, APIs and searches.

The archive of the store contains each accepted letter, by the same transaction (`mailstack.store.archive`). The index is
a separate database, filled in the background, and rebuilt from the archive if it is lost.

Files: `query` parses searches, `states` answers those by delivery state, `items` has the values, `selection` makes SQL of them, `queries` reads the tables, `writes` and `removal` change them, `indexer` fills them, `feed`
publishes events, and `letter_index` is the interface for pages.
"""
