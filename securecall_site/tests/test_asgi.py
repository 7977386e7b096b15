import subprocess
import sys

LOADED = """
import sys
import django
django.setup()
import securecall_site.asgi
print(sorted({"drf_spectacular.views", "rest_framework.views"} & set(sys.modules)))
"""


def test_api_and_what_it_needs_are_not_loaded_before_a_request_asks() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)

    assert loaded.stdout == "[]\n"
