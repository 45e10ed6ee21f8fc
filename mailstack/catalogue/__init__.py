"""The letters of an office for people who look: found, read, tagged and deleted, whatever became of them meanwhile.

Each letter that enters is kept in the archive of the store, by the same transaction (`mailstack.store.archiving`). What is
here is an index of it, in a database of its own, filled in the background and made anew from the archive when it is lost:
`query` is the language of searches, `items` are the values, `database` and `index` keep them, `indexing` fills them, `feed`
tells of what happens, and `catalogue` is what pages ask.
"""
