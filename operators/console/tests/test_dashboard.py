"""What the dashboard makes of the figures."""

import re

import msgspec
import pytest
from django.test import AsyncClient
from pytest_django import Settings

from operators.console.charts import CHART_HEIGHT
from operators.console.dashboard import describe
from operators.console.templatetags.console import duration
from operators.console.tests.conftest import VIEWING, Join, SignIn
from signaling.telemetry.snapshot import Overview, Series, Snapshot, Window
from signaling.tests.people import call
from turn.credentials import TurnSettings
from turn.pool import State

MINUTE = 27_000_000


def snapshot(
    process: str, *messages: int, redis_is_up: bool | None = True, redis_is_writable: bool | None = True
) -> Snapshot:
    window = Window(
        3600,
        {
            "messages_received": {"HEARTBEAT": sum(messages), "PKD_LOOKUP": 0},
            "errors_sent": {"RATE_LIMITED": 36},
            "connections_refused": {"address_limit": 2, "origin": 0},
            "key_publications": {"published": 5, "changed": 3},
            "hop": {"0.001": 98, "0.1": 2, "+Inf": 0},
        },
    )
    return Snapshot(
        process=process,
        host="host",
        version="1",
        started_at=MINUTE * 60.0,
        taken_at=MINUTE * 60.0 + 90,
        redis_is_up=redis_is_up,
        redis_is_writable=redis_is_writable,
        connections=1200,
        registered_clients=1000,
        calls_ringing=1,
        calls_active=4,
        totals={},
        hour=window,
        day=window,
        minutes=Series(1, MINUTE, {"messages_received": list(messages)}),
        quarters=Series(15, MINUTE // 15, {"messages_received": list(messages)}),
    )


def test_tiles_show_the_sum_of_all_processes() -> None:
    shown = describe(Overview([snapshot("a", 3600), snapshot("b", 3600)]), has_turn_secret=True)
    tiles = {name: (value, note) for name, value, note in shown["tiles"]}
    assert tiles["Connections"] == ("2,400", "now")
    assert tiles["Registered clients"] == ("2,000", "now")
    assert (tiles["Calls ringing"][0], tiles["Calls active"][0]) == ("2", "8")
    assert tiles["Messages"][0] == "2.0 /s"
    assert tiles["Errors"] == ("72", "last hour, 72 last day")
    assert tiles["Refused"][0] == "4"
    assert tiles["Key changes"][0] == "6"
    assert (tiles["Hop p50"][0], tiles["Hop p99"][0]) == ("0.51 ms", "50 ms")


def test_hops_of_nobody_are_no_figure() -> None:
    silent = Window(60, {})
    young = msgspec.structs.replace(snapshot("a"), hour=silent, day=silent)
    tiles = describe(Overview([young]), has_turn_secret=True)["tiles"]
    assert ("Hop p99", "–", "last hour, – last day") in tiles


def test_bars_are_as_high_as_their_counts_and_stand_at_their_minute() -> None:
    hour, day = describe(Overview([snapshot("a", 10, 0, 1000, 1)]), has_turn_secret=True)["charts"][0]
    assert (hour.total, hour.peak, hour.span) == (1011, 1000, "last hour")
    assert [bar.x for bar in hour.bars] == [0, 10, 15]
    lowest, highest, one = hour.bars
    assert (highest.y, highest.height) == (0, CHART_HEIGHT)
    # One of a thousand can still be seen.
    assert lowest.height == one.height == 1.5
    assert highest.title == f"{(MINUTE - 2) // 60 % 24:02}:{(MINUTE - 2) % 60:02}: 1,000"
    assert hour.end.timestamp() == MINUTE * 60
    assert (day.end - day.begin).total_seconds() == 4 * 15 * 60


def test_tables_hold_what_happened_most_first() -> None:
    messages, errors, refusals = describe(Overview([snapshot("a", 60)]), has_turn_secret=True)["tables"]
    assert [(row.label, row.hour, row.hour_rate, row.day) for row in messages.rows] == [("HEARTBEAT", 60, 1.0, 60)]
    assert [row.label for row in errors.rows] == ["RATE_LIMITED"]
    assert [row.label for row in refusals.rows] == ["too many from one address"]


@pytest.mark.parametrize(
    ("redis_is_up", "has_turn_secret", "alarms"),
    [
        (True, True, []),
        (None, True, []),
        (False, True, ["Redis unreachable"]),
        (None, False, ["TURN: no secret"]),
        (False, False, ["Redis unreachable", "TURN: no secret"]),
    ],
)
def test_alarms_say_what_is_wrong(redis_is_up: bool | None, has_turn_secret: bool, alarms: list[str]) -> None:  # noqa: FBT001
    shown = describe(Overview([snapshot("a", redis_is_up=redis_is_up)]), has_turn_secret=has_turn_secret)
    assert [alarm.name for alarm in shown["alarms"]] == alarms


@pytest.mark.parametrize(("is_up", "alarms"), [(True, []), (False, ["TURN provider away"])])
def test_provider_that_is_away_is_an_alarm(is_up: bool, alarms: list[str]) -> None:  # noqa: FBT001
    shown = describe(Overview([snapshot("a")]), has_turn_secret=True, provider=State(is_up=is_up, seconds_left=60))
    assert [alarm.name for alarm in shown["alarms"]] == alarms


def test_alarms_tell_a_redis_that_refuses_writes_from_one_that_is_away() -> None:
    for is_up, alarm in ((True, "Redis refuses writes"), (False, "Redis unreachable")):
        refusing = snapshot("a", redis_is_up=is_up, redis_is_writable=False)
        (shown,) = describe(Overview([refusing]), has_turn_secret=True)["alarms"]
        assert shown.name == alarm


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (65, "1 min 5 s"), (11_400, "3 h 10 min"), (180_000, "2 d 2 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --- In the admin --------------------------------------------------------------------------------------------


async def index(browser: AsyncClient, query: str = "") -> str:
    return (await browser.get(f"/admin/{query}")).content.decode()


@pytest.mark.usefixtures("here")
@pytest.mark.django_db(transaction=True)
async def test_index_begins_with_the_dashboard(join: Join, sign_in: SignIn) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await call(alice, bob)
    text = await index(await sign_in(*VIEWING))
    assert re.search(r"Registered clients</dt><dd class=\"console-value\">2<", text)
    assert re.search(r"Calls active</dt><dd class=\"console-value\">1<", text)
    assert "TURN: no secret" in text
    assert 'href="/admin/console/presence/"' in text
    # It names nobody, whoever looks.
    assert "alice" not in text
    # The policy of the site forbids both.
    assert " style=" not in text.split("console-title")[1].split("</section>")[0]
    assert "<script>" not in text


@pytest.mark.usefixtures("here")
@pytest.mark.django_db(transaction=True)
async def test_index_refreshes_itself_until_told_not_to(sign_in: SignIn, settings: Settings) -> None:
    settings.TURN = TurnSettings(("secret",), ("turn:one",), (), 600)
    browser = await sign_in()
    text = await index(browser)
    assert '<meta http-equiv="refresh" content="15">' in text
    assert "console-alarm" not in text
    assert "http-equiv" not in await index(browser, "?refresh=off")
    assert "http-equiv" not in (await browser.get("/admin/password_change/")).content.decode()
