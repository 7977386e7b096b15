import pytest

from turn.credentials import LAST_EXPIRY, Credential, expiry_after, mint

# Independent of this code: printf '%s' USERNAME | openssl dgst -sha1 -hmac SECRET -binary | base64
VECTORS = [
    ("securecall-secret", "alice", 1_700_003_600, "BuWCi78L4Bz6YJiMn0ZYv9KoUZ4="),
    ("north", "Bob_the-2nd", 1_893_456_000, "J5QasB1NFxiU8dPfHH6uuph1p94="),
    ("schlüssel", "x", 1_893_456_000, "m+JcABiDuOL7bewIWG0ZgC/ODGI="),
]


@pytest.mark.parametrize(("secret", "client_id", "expires_at", "password"), VECTORS)
def test_mint_agrees_with_openssl(secret: str, client_id: str, expires_at: int, password: str) -> None:
    assert mint(secret, client_id, expires_at) == Credential(f"{expires_at}:{client_id}", password)


def test_minting_leaves_no_trace_in_the_next_one() -> None:
    secret, client_id, expires_at, password = VECTORS[0]
    mint(secret, "somebody-else", expires_at)
    assert mint(secret, client_id, expires_at).password == password


def test_expiry_is_whole_seconds_from_now() -> None:
    assert expiry_after(1_700_000_000.9, 600) == 1_700_000_600


@pytest.mark.parametrize("now", [LAST_EXPIRY - 600, LAST_EXPIRY - 1.5, LAST_EXPIRY + 1.5])
def test_expiry_is_never_later_than_turn_servers_take(now: float) -> None:
    assert expiry_after(now, 600) == LAST_EXPIRY == 2_147_483_647
