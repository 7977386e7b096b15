"""An auditor of a SecureCall server's public log; it imports nothing of the server.

`audit.run` does one audit: it fetches the checkpoint (`checkpoint`, `fetch`), compares it with the last run (`state`,
`tiles`), replays the entries since then (`replay`, over `prefix_tree` and `merkle`), and keeps what the next run
compares with. The trees are written a second time on purpose: a mistake in the server's finds no twin here.
docs/auditor.md says how to run it.
"""
