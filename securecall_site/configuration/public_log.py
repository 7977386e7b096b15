"""The settings of the public log, which belong together."""

from securecall_site.environment import ConfigurationError
from transparency.witness_policy import BadPolicyError, Policy


def check(key: str, vrf_key: str, *, has_directory: bool, has_guard: bool) -> None:
    """Raise `ConfigurationError` for one key without the other, and for what a log with both of them lacks."""
    if not key and not vrf_key:
        return
    for name, value in (("LOG_KEY", key), ("LOG_VRF_KEY", vrf_key)):
        if not value:
            raise ConfigurationError(name, "must be set, as the log's other key is: `manage.py newlogkeys` makes both")
    if key == vrf_key:
        raise ConfigurationError("LOG_VRF_KEY", "must be another key than LOG_KEY")
    if not has_directory:
        raise ConfigurationError("DIRECTORY_NAME", "must be set with LOG_KEY: the log's name begins with it")
    if not has_guard:
        raise ConfigurationError(
            "LOG_GUARD", "must name a file that outlives the process, as there is no REDIS_URL: it keeps the log's size"
        )


def witnesses(text: str, *, has_log: bool) -> Policy | None:
    """Read LOG_WITNESSES: the lines of a C2SP tlog-policy, with semicolons between them; None if it is empty.

    Raises `ConfigurationError`.
    """
    if not text:
        return None
    if not has_log:
        raise ConfigurationError("LOG_WITNESSES", "must be empty without LOG_KEY: there is no log to cosign")
    try:
        return Policy.parse(text.split(";"))
    except BadPolicyError as error:
        raise ConfigurationError(
            "LOG_WITNESSES", f"must be lines of a C2SP tlog-policy, separated by semicolons: {error}"
        ) from None
