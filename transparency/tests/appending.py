"""A program that accepts statements of new client IDs until it is killed; it prints each one's ID after the commit."""

import sys
from itertools import count

import django

django.setup()

from pkd.acceptance import Offered, accept  # noqa: E402
from pkd.tests.owners import Identity, first, signed  # noqa: E402
from transparency.keys import current  # noqa: E402
from transparency.log import Appender  # noqa: E402


def main(name: str) -> None:
    """Claim client IDs that begin with `name`, each for a key of its own."""
    keys = current()
    assert keys is not None
    for number in count():
        client_id = f"{name}-{number}"
        owner = Identity(client_id)
        statement = first(owner, client_id=client_id)
        offered = Offered(owner.public, statement, signed(statement, owner), is_registered=True)
        accept(offered, lambda: 0, save=Appender(keys, None))
        sys.stdout.write(f"{client_id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
