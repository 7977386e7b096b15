"""RFC 6455 as strangers test it: autobahntestsuite against our server, with an echo for an application."""
