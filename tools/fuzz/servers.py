"""The servers that are sent inputs."""

# They are to handle what they are sent, and not to count it.
UNLIMITED = {
    "LIMIT_MESSAGE_BURST": "0",
    "LIMIT_PKD_LOOKUPS_PER_MINUTE": "0",
    "LIMIT_PKD_REGISTERS_PER_MINUTE": "0",
    "LIMIT_CONNECTIONS_PER_IP": "0",
    "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "0",
    "LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE": "0",
}
TROUBLE = ("Traceback", "ERROR", "CRITICAL", "xception", "never awaited")


def trouble_in(log: str) -> list[str]:
    """Return the lines of a server's log that tell of a bug."""
    return [line for line in log.splitlines() if any(word in line for word in TROUBLE)]
