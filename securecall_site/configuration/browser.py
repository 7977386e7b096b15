"""The policy of what browsers may load and run on the server's pages."""

from csp.constants import NONE, SELF

# Nothing inline, nothing evaluated, nothing from elsewhere: a script that is smuggled into a page does not run.
# The socket to /signal is 'self' too. default-src does not cover the directives after it.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
