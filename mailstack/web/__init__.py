"""What the server shows by HTTP: pages for people, and the files by which clients set themselves up.

`asking` is what a page is asked and answers, without Twisted; `site` finds the page and guards it; the pages are plain
`async def` functions of an Ask (`front`, `instructions`, `client_files`). `channel` puts that on the network. A server that listens on `web` or
`https` has a `door`, and imports all else (`hosting`) when the first client has come.
"""
