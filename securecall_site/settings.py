"""Settings. The environment is read here, once, and nowhere else; `configuration/` holds what is long and fixed."""

import logging
import secrets
import tomllib
from datetime import timedelta
from pathlib import Path

from securecall_site import environment as env
from securecall_site.configuration import api, browser, database, logs, public_log, site, uploads
from signaling.protocol.limits import Limits, Timeouts
from turn.credentials import DEFAULT_PROVIDER, LEAST_TTL_SECONDS, MOST_TTL_SECONDS, PROVIDERS, TurnSettings

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

# --- The environment -------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG")
# The page /demo/, with which any visitor can call any client; a public server shows it only when told to.
DEMO = env.flag("DEMO", default=DEBUG)
SECRET_KEY = env.text("SECRET_KEY")
PORT = env.number("PORT", 8000, maximum=65535)
DATABASE_URL = env.database_url("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'db.sqlite3'}"
REDIS_URL = env.redis_url("REDIS_URL")
REPLICAS = env.number("REPLICAS", 1, minimum=1)
DRAIN_SECONDS = env.seconds("DRAIN_SECONDS", 10)
ON_RAILWAY = bool(env.text("RAILWAY_ENVIRONMENT_NAME") or env.text("RAILWAY_PROJECT_ID"))
# How long the platform waits between SIGTERM and SIGKILL.
RAILWAY_DRAIN_SECONDS = env.number("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", 0)
RAILWAY_PUBLIC_DOMAIN = env.domain("RAILWAY_PUBLIC_DOMAIN")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS")
ALLOWED_ORIGINS = env.origins("ALLOWED_ORIGINS")
# Railway's edge connects from the shared address space (RFC 6598); the header of any other address is ignored.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", "100.64.0.0/10")
# The header that they set themselves; without one only Railway's edge is believed, whose header is known.
CLIENT_ADDRESS_HEADER = env.header("CLIENT_ADDRESS_HEADER")

LIMITS = Limits(
    message_burst=env.number("LIMIT_MESSAGE_BURST", 240),
    messages_per_second=env.number("LIMIT_MESSAGES_PER_SECOND", 20),
    pkd_lookups_per_minute=env.number("LIMIT_PKD_LOOKUPS_PER_MINUTE", 60),
    pkd_registers_per_minute=env.number("LIMIT_PKD_REGISTERS_PER_MINUTE", 10),
    refused_messages=env.number("LIMIT_REFUSED_MESSAGES", 200),
    connections_per_ip=env.number("LIMIT_CONNECTIONS_PER_IP", 100),
    new_connections_per_ip_per_minute=env.number("LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE", 300),
    outbound_queue_bytes=env.number("LIMIT_OUTBOUND_QUEUE_BYTES", 1024 * 1024),
    open_calls_per_client=env.number("LIMIT_OPEN_CALLS_PER_CLIENT", 8),
    public_key_bytes=env.number("LIMIT_PUBLIC_KEY_BYTES", 16_384),
    unproved_bytes=env.number("LIMIT_UNPROVED_BYTES", 64 * 1024 * 1024),
    http_requests_per_ip_per_minute=env.number("LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE", 600),
)
TIMEOUTS = Timeouts(
    registration_seconds=env.seconds("REGISTRATION_TIMEOUT_SECONDS", 60),
    heartbeat_seconds=env.seconds("HEARTBEAT_TIMEOUT_SECONDS", 60),
    ring_seconds=env.seconds("RING_TIMEOUT_SECONDS", 60),
    hold_seconds=env.seconds("HOLD_SECONDS", 30),
    hold_going_away_seconds=env.seconds("HOLD_GOING_AWAY_SECONDS", 5),
)
METRICS_TOKEN = env.token("METRICS_TOKEN")
# Whether the admin asks for a second factor.
ADMIN_REQUIRE_2FA = env.flag("ADMIN_REQUIRE_2FA")
LIMIT_SIGN_IN_FAILURES = env.number("LIMIT_SIGN_IN_FAILURES", 5)
# Far above what the API takes; an operator's import of keys is the longest body that there is.
LIMIT_HTTP_BODY_BYTES = env.number("LIMIT_HTTP_BODY_BYTES", 32 * 1024 * 1024)
# Of this process, at most: one for the directory, the others for HTTP requests.
DATABASE_CONNECTIONS = env.number("DATABASE_CONNECTIONS", 8, minimum=2)
MIGRATE_WAIT_SECONDS = env.seconds("MIGRATE_WAIT_SECONDS", 60)
LIMIT_API_REQUESTS_PER_MINUTE = env.number("LIMIT_API_REQUESTS_PER_MINUTE", 300)
SIGN_IN_COOL_OFF_SECONDS = env.seconds("SIGN_IN_COOL_OFF_SECONDS", 900, maximum=30 * env.A_DAY)
# The name of the directory in statements; without one, no client ID can belong to a key.
DIRECTORY_NAME = env.directory_name("DIRECTORY_NAME")
REQUIRE_IDENTITY = env.flag("REQUIRE_IDENTITY")
RELEASE_HOURS = env.number("RELEASE_HOURS", 72, minimum=1, maximum=24 * 365)
VETO_DAYS = env.number("VETO_DAYS", 30, maximum=3650)
# The two private keys of the public log; without them there is none.
LOG_KEY = env.seed("LOG_KEY")
LOG_VRF_KEY = env.seed("LOG_VRF_KEY")
# Where the size of the log is kept outside the database, if there is no Redis.
LOG_GUARD = env.text("LOG_GUARD")
LIMIT_STATEMENTS_PER_DAY = env.number("LIMIT_STATEMENTS_PER_DAY", 10)
LIMIT_NEW_IDENTITIES_PER_HOUR = env.number("LIMIT_NEW_IDENTITIES_PER_HOUR", 20)
TURN = TurnSettings(
    secrets=tuple(env.words("TURN_SECRET")),
    urls=env.turn_urls("TURN_URLS", "turn:a.relay.metered.ca:443?transport=tcp"),
    stun_urls=env.stun_urls("STUN_URLS"),
    ttl_seconds=env.number("TURN_TTL_SECONDS", 3600, minimum=LEAST_TTL_SECONDS, maximum=MOST_TTL_SECONDS),
    provider=env.provider("TURN_PROVIDER", PROVIDERS, DEFAULT_PROVIDER),
    api_url=env.api_url("TURN_API_URL"),
    key_id=env.text("TURN_KEY_ID"),
    username=env.text("TURN_USERNAME"),
)

# --- What follows from it --------------------------------------------------------------------------

if not SECRET_KEY:
    if not DEBUG:
        raise env.ConfigurationError("SECRET_KEY", "must be set to a long random string (or DEBUG to 1)")
    # Without a key of its own a development server signs its sessions out at every restart.
    SECRET_KEY = secrets.token_urlsafe(50)

if REQUIRE_IDENTITY and not DIRECTORY_NAME:
    raise env.ConfigurationError("REQUIRE_IDENTITY", "must be 0 without DIRECTORY_NAME: no client ID belongs to a key")

# Who cosigns the log's checkpoints, read once for the server and for `doctor`.
LOG_WITNESSES = public_log.witnesses(env.text("LOG_WITNESSES"), has_log=bool(LOG_KEY))

public_log.check(LOG_KEY, LOG_VRF_KEY, has_directory=bool(DIRECTORY_NAME), has_guard=bool(REDIS_URL or LOG_GUARD))

if DEBUG:
    ALLOWED_HOSTS += ["localhost", "127.0.0.1", "[::1]"]
    ALLOWED_ORIGINS += ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"]
if RAILWAY_PUBLIC_DOMAIN:
    ALLOWED_HOSTS += [RAILWAY_PUBLIC_DOMAIN]
    ALLOWED_ORIGINS += [f"https://{RAILWAY_PUBLIC_DOMAIN}"]
# Forms come from web pages alone, and Django wants to know each one's port.
CSRF_TRUSTED_ORIGINS = [
    origin for origin in ALLOWED_ORIGINS if origin.startswith(("http://", "https://")) and not origin.endswith(":*")
]

# --- Django ----------------------------------------------------------------------------------------

INSTALLED_APPS = site.INSTALLED_APPS
MIDDLEWARE = site.MIDDLEWARE
TEMPLATES = site.TEMPLATES

ROOT_URLCONF = "securecall_site.urls"
ASGI_APPLICATION = "securecall_site.asgi.application"

HAS_TEMPORARY_FILES = uploads.has_temporary_files()
DATABASES = {"default": database.connection(DATABASE_URL, has_temporary_files=HAS_TEMPORARY_FILES)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_PREFIX = "securecall"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "signaling.delivery.redis_layer.RedisChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": REDIS_PREFIX},
    }
    if REDIS_URL
    else {"BACKEND": "signaling.delivery.layers.LocalChannelLayer"}
}

# --- Signing in --------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Failures count for the address alone. Counting them for an account too would let strangers keep its owner out;
# counting them for both together would let one address try every account.
AXES_LOCKOUT_PARAMETERS = ["ip_address"]
AXES_LOCK_OUT_AT_FAILURE = LIMIT_SIGN_IN_FAILURES > 0
AXES_FAILURE_LIMIT = LIMIT_SIGN_IN_FAILURES
AXES_COOLOFF_TIME = timedelta(seconds=SIGN_IN_COOL_OFF_SECONDS)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HANDLER = "operators.accounts.attempts.SignInAttempts"
AXES_CLIENT_IP_CALLABLE = "operators.accounts.attempts.pseudonymous_address"
AXES_USERNAME_CALLABLE = "operators.accounts.attempts.pseudonymous_username"
AXES_CLIENT_STR_CALLABLE = "operators.accounts.attempts.in_the_log"
AXES_LOCKOUT_CALLABLE = "operators.accounts.attempts.locked_out"
# What is left of it after that is a count and when it goes: nothing to look at, and nothing to keep.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

OTP_TOTP_ISSUER = "SecureCall"
# A superuser may remove a lost device in the admin, but sees no secret there.
OTP_ADMIN_HIDE_SENSITIVE_DATA = True

# A working day; the next morning begins with a sign-in.
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
# The admin's scripts read no cookie.
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# What npm packs is what the server serves, and the demo page beside it.
STATICFILES_DIRS = [
    ("webclient", BASE_DIR / "webclient" / "package"),
    ("webclient/demo", BASE_DIR / "webclient" / "demo"),
]
if not DEBUG:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

if not HAS_TEMPORARY_FILES:
    FILE_UPLOAD_HANDLERS = [uploads.IN_MEMORY]
    FILE_UPLOAD_MAX_MEMORY_SIZE = uploads.memory_bytes(LIMIT_HTTP_BODY_BYTES)

REST_FRAMEWORK = api.REST_FRAMEWORK
SPECTACULAR_SETTINGS = api.schema(VERSION)
CONTENT_SECURITY_POLICY = browser.CONTENT_SECURITY_POLICY

if not DEBUG:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # The platform's health check speaks plain HTTP, and so does who scrapes inside a private network.
    SECURE_REDIRECT_EXEMPT = [r"^health$", r"^metrics$", r"^seen$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # Browsers take these names only from this very host and over TLS (RFC 6265bis, section 4.1.3.2).
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"

# --- Logs: one JSON object a line outside DEBUG ------------------------------------------------------

logging.captureWarnings(not DEBUG)
LOGGING = logs.configuration(is_debug=DEBUG)
