"""Settings. The environment is read here, once, and nowhere else."""

import logging
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONE, SELF

from securecall_site import environment as env
from signaling.protocol.limits import Limits, Timeouts
from turn.credentials import LEAST_TTL_SECONDS, MOST_TTL_SECONDS, TurnSettings

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

# --- The environment -------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG")
# The page /demo/, with which anybody can call anybody; a public server shows it only when told to.
DEMO = env.flag("DEMO", default=DEBUG)
SECRET_KEY = env.text("SECRET_KEY")
PORT = env.number("PORT", 8000, maximum=65535)
DATABASE_URL = env.database_url("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'db.sqlite3'}"
REDIS_URL = env.url("REDIS_URL", frozenset({"redis", "rediss"}), path="(/[0-9]*)?")
REPLICAS = env.number("REPLICAS", 1, minimum=1)
DRAIN_SECONDS = env.seconds("DRAIN_SECONDS", 10)
ON_RAILWAY = bool(env.text("RAILWAY_ENVIRONMENT_NAME") or env.text("RAILWAY_PROJECT_ID"))
# How long the platform waits between SIGTERM and SIGKILL.
RAILWAY_DRAIN_SECONDS = env.number("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", 0)
RAILWAY_PUBLIC_DOMAIN = env.domain("RAILWAY_PUBLIC_DOMAIN")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS")
ALLOWED_ORIGINS = env.origins("ALLOWED_ORIGINS")
# Railway's edge connects from the shared address space (RFC 6598); nobody else's header is believed.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", "100.64.0.0/10")

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
)
TIMEOUTS = Timeouts(
    registration_seconds=env.seconds("REGISTRATION_TIMEOUT_SECONDS", 60),
    heartbeat_seconds=env.seconds("HEARTBEAT_TIMEOUT_SECONDS", 60),
    ring_seconds=env.seconds("RING_TIMEOUT_SECONDS", 60),
    hold_seconds=env.seconds("HOLD_SECONDS", 30),
)
METRICS_TOKEN = env.token("METRICS_TOKEN")
# Whether the admin asks for a second factor.
ADMIN_REQUIRE_2FA = env.flag("ADMIN_REQUIRE_2FA")
LIMIT_SIGN_IN_FAILURES = env.number("LIMIT_SIGN_IN_FAILURES", 5)
# Far above what the API takes; an operator's import of keys is the longest body that there is.
LIMIT_HTTP_BODY_BYTES = env.number("LIMIT_HTTP_BODY_BYTES", 32 * 1024 * 1024)
LIMIT_API_REQUESTS_PER_MINUTE = env.number("LIMIT_API_REQUESTS_PER_MINUTE", 300)
SIGN_IN_COOL_OFF_SECONDS = env.seconds("SIGN_IN_COOL_OFF_SECONDS", 900, maximum=30 * env.A_DAY)
TURN = TurnSettings(
    secrets=tuple(env.words("TURN_SECRET")),
    urls=env.turn_urls("TURN_URLS", "turn:a.relay.metered.ca:443?transport=tcp"),
    stun_urls=env.stun_urls("STUN_URLS"),
    ttl_seconds=env.number("TURN_TTL_SECONDS", 3600, minimum=LEAST_TTL_SECONDS, maximum=MOST_TTL_SECONDS),
)

# --- What follows from it --------------------------------------------------------------------------

if not SECRET_KEY:
    if not DEBUG:
        raise env.ConfigurationError("SECRET_KEY", "must be set to a long random string (or DEBUG to 1)")
    # Without a key of its own a development server signs its sessions out at every restart.
    SECRET_KEY = secrets.token_urlsafe(50)

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

INSTALLED_APPS = [
    # Before the admin, whose pages they extend.
    "operators.accounts.apps.AccountsConfig",
    "operators.console",
    # Django's admin, with our sign-in.
    "operators.accounts.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "securecall_site",
    "signaling",
    "pkd",
    "turn",
    "webclient",
    "diagnostics",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "securecall_site.middleware.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Last, as it asks to be: it turns the answer to one failure too many into a page.
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "securecall_site.urls"
ASGI_APPLICATION = "securecall_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

database: dict[str, Any] = {**dj_database_url.parse(DATABASE_URL)}
if database["ENGINE"] == "django.db.backends.sqlite3":
    # Measured: 0 of 480 concurrent writes met a lock with these, 151 with the defaults.
    database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # The directory's thread keeps its connection, checked at each use; a pool with checks stalls 5 s after a restart.
    # HTTP requests have threads of their own, whose connections the application closes.
    database |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
    # What says nothing for this long is gone (seconds; tcp_user_timeout in milliseconds).
    patience = {"connect_timeout": 4, "tcp_user_timeout": 5000, "keepalives_idle": 5, "keepalives_interval": 2}
    database["OPTIONS"] = patience | {"keepalives_count": 2} | database.get("OPTIONS", {})
DATABASES = {"default": database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_PREFIX = "securecall"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "signaling.delivery.layers.RedisChannelLayer",
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
# A superuser may remove a lost device in the admin, but sees nobody's secret there.
OTP_ADMIN_HIDE_SENSITIVE_DATA = True

# A working day; whoever comes back the next morning signs in again.
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
if not DEBUG:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["operators.api.access.Operator"],
    "DEFAULT_THROTTLE_CLASSES": ["operators.api.access.OperatorThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["operators.api.parsing.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "operators.api.errors.answer",
    # `?format=` would be a parameter of every path.
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "SecureCall operators' API",
    "DESCRIPTION": "For staff: the public key directory, what runs now, and credentials to test a relay with. "
    'Every error is `{"detail": "a sentence"}`.',
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["operators.api.access.Operator"],
    "CAMELIZE_NAMES": True,
}

# Nothing inline, nothing evaluated, nothing from elsewhere: what somebody smuggles into a page does not run.
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

if not DEBUG:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # The platform's health check speaks plain HTTP, and so does who scrapes inside a private network.
    SECURE_REDIRECT_EXEMPT = [r"^health$", r"^metrics$"]
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
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{name}{message}",
            "style": "{",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
        "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "plain" if DEBUG else "json"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "filters": {
        "without_path": {"()": "securecall_site.logs.WithoutPath"},
        "without_clients": {"()": "securecall_site.logs.WithoutClients"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.request": {"filters": ["without_path"]},
        # A refused Host header is client input and may be an address.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
        # Says a failure in two lines, of which this keeps the one that counts.
        "axes": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        # Names the relay's and the client's addresses below that.
        "aioice": {"level": "WARNING"},
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.error": {"filters": ["without_clients"], "propagate": True},
        # Holds addresses.
        "uvicorn.access": {"handlers": ["nowhere"], "propagate": False},
    },
}
