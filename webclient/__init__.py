"""The browser client: a library that applications can ship, and a page that shows a call with it."""
