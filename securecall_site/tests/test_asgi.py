import os
import subprocess
import sys

LOADED = """
import sys
import django
django.setup()
import securecall_site.asgi
print(sorted({"drf_spectacular.views", "rest_framework.views", "redis"} & set(sys.modules)))
"""


def test_what_few_need_is_not_loaded_at_the_start() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}

    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, env=environment)

    assert loaded.stdout == "[]\n"
