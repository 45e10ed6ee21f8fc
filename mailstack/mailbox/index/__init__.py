"""Index of all letters of a server, for pages, APIs and searches.

Each letter that arrives is in the archive of the store, by the same transaction (`mailstack.store.archive`). The index is
a database of its own, filled in the background, and made anew from the archive when it is lost. `query` is the language
of searches, `items` are the values, `queries` reads the tables, `writes` changes them, `indexer` fills them, `feed`
reports what happens, and `letter_index` is the interface for pages.
"""
