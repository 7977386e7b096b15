"""The dashboard and the alert rules ask for what a running server has, and the rules fire when they should."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.scrape import TOKEN, figures
from tests.support.servers import ROOT, server
from tests.support.services import NotInstalledError, executable, skip_or_fail

ALERTS = ROOT / "ops" / "alerts.yml"
DASHBOARD = ROOT / "ops" / "grafana-dashboard.json"
RUNBOOK = ROOT / "docs" / "operations.md"

# What Prometheus adds to every series of a target, and the one series that it makes itself.
TARGET_LABELS = {"instance", "job"}
OWN_SERIES = {"up"}
WORDS = {
    "absent",
    "and",
    "by",
    "changes",
    "histogram_quantile",
    "increase",
    "max_over_time",
    "min",
    "or",
    "rate",
    "sum",
}
# Grafana's variables, with something in their place.
VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$instance": ".*"}

SELECTOR = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)\s*(?:\{(?P<matchers>[^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\bby\s*\(([^)]*)\)")
LEGEND_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

Labels = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def promtool() -> str:
    try:
        return executable("promtool", "prometheus")
    except NotInstalledError as missing:
        skip_or_fail(missing)


@pytest.fixture(scope="module")
def exposed(redis_database: Callable[[], str]) -> Iterator[Labels]:
    """The series that a running server has, with the values of each label."""
    with server(env={"METRICS_TOKEN": TOKEN, "REDIS_URL": redis_database()}) as running:
        found: Labels = {}
        for sample in figures(running):
            match = SELECTOR.fullmatch(sample)
            assert match is not None, sample
            labels = found.setdefault(match["name"], {})
            for label, _, value in MATCHER.findall(match["matchers"] or ""):
                labels.setdefault(label, set()).add(value)
        yield found


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    """Every expression of the dashboard, with the legend of what it shows."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = [(target["expr"], target["legendFormat"]) for panel in panels() for target in panel["targets"]]
    found += [(note["expr"], note["titleFormat"]) for note in dashboard["annotations"]["list"]]
    for variable, value in VARIABLES.items():
        found = [(expr.replace(variable, value), legend) for expr, legend in found]
    return found


def check_series(expr: str, legend: str, exposed: Labels) -> None:
    """Every series in `expr` must exist, with the labels and values that it is matched by and shown with."""
    shown = {label.strip() for labels in GROUPING.findall(expr) for label in labels.split(",")}
    shown |= set(LEGEND_LABEL.findall(legend))
    bare = re.sub(r"\[[^\]]*\]", "", GROUPING.sub("", expr))
    series = [match for match in SELECTOR.finditer(bare) if match["name"] not in WORDS | OWN_SERIES]
    for match in series:
        name = match["name"]
        assert name in exposed, f"no server has {name}, in {expr}"
        for label, operator, pattern in MATCHER.findall(match["matchers"] or ""):
            if label in TARGET_LABELS:
                continue
            for value in pattern.split("|") if operator == "=~" else [pattern]:
                assert value in exposed[name].get(label, ()), f'no {name} has {label}="{value}", in {expr}'
    for label in shown - TARGET_LABELS:
        assert any(label in exposed[match["name"]] for match in series), f"nothing has the label {label}, in {expr}"


# --- The alert rules ----------------------------------------------------------------------------------


def test_there_are_nine_rules_and_prometheus_reads_them(promtool: str) -> None:
    checked = subprocess.run([promtool, "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "9 rules found" in checked.stdout


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_rule_asks_for_what_a_server_has(rule: dict[str, Any], exposed: Labels) -> None:
    named = re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"])
    check_series(rule["expr"], "".join(f"{{{{{label}}}}}" for label in named), exposed)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_rule_leads_to_its_page_in_the_runbook(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert ROOT / page == RUNBOOK
    assert anchor in {heading.lower().replace(" ", "-") for heading in HEADING.findall(RUNBOOK.read_text())}


# For each alert: series by their values from minute to minute, as promtool writes them, and the minute at which it must
# fire. "0+60x30" grows by 60 a minute, half an hour long.
FIRES: dict[str, tuple[int, dict[str, str]]] = {
    "SecureCallDown": (5, {'up{job="securecall",instance="a"}': "1 1 0x30"}),
    "SecureCallRedisUnreachable": (5, {'securecall_redis_up{instance="a"}': "1 1 0x30"}),
    "SecureCallRedisUnwritable": (
        5,
        {'securecall_redis_writable{instance="a"}': "1 1 0x30", 'securecall_redis_up{instance="a"}': "1x30"},
    ),
    "SecureCallHopsSlow": (
        20,
        {
            'securecall_hop_seconds_bucket{instance="a",le="0.1"}': "0+60x30",
            'securecall_hop_seconds_bucket{instance="a",le="0.25"}': "0+90x30",
            'securecall_hop_seconds_bucket{instance="a",le="+Inf"}': "0+90x30",
        },
    ),
    "SecureCallRefusalsSurge": (
        15,
        {
            'securecall_errors_sent_total{instance="a",code="RATE_LIMITED"}': "0+300x30",
            'securecall_messages_received_total{instance="a",type="HEARTBEAT"}': "0+600x30",
        },
    ),
    "SecureCallMassDisconnects": (
        10,
        {
            'securecall_connections_closed_total{instance="a",code="1006",reason="connection lost"}': "0x5 100x30",
            'securecall_connections{instance="a"}': "200x5 100x30",
        },
    ),
    "SecureCallPublicLogStopped": (5, {'securecall_public_log_stopped{instance="a"}': "0 1x30"}),
    "SecureCallCheckpointLate": (10, {'securecall_public_log_checkpoint_age_seconds{instance="a"}': "0+60x30"}),
    "SecureCallPublicLogNotWitnessed": (40, {'securecall_public_log_quorum_age_seconds{instance="a"}': "0+60x60"}),
}
REFUSED = {
    'securecall_connections_refused_total{instance="a",reason="origin"}': "0+60x30",
    'securecall_connections_opened_total{instance="a"}': "0+60x30",
}
CALM = {
    'up{job="securecall",instance="a"}': "1x30",
    'securecall_redis_up{instance="a"}': "1x30",
    'securecall_redis_writable{instance="a"}': "1x30",
    'securecall_hop_seconds_bucket{instance="a",le="0.001"}': "0+995x30",
    'securecall_hop_seconds_bucket{instance="a",le="0.25"}': "0+1000x30",
    'securecall_hop_seconds_bucket{instance="a",le="+Inf"}': "0+1000x30",
    'securecall_errors_sent_total{instance="a",code="TARGET_NOT_FOUND"}': "0+100x30",
    'securecall_messages_received_total{instance="a",type="HEARTBEAT"}': "0+1000x30",
    'securecall_connections_refused_total{instance="a",reason="origin"}': "0+6x30",
    'securecall_connections_opened_total{instance="a"}': "0+60x30",
    'securecall_connections_closed_total{instance="a",code="1006",reason="connection lost"}': "0+10x30",
    'securecall_connections{instance="a"}': "1000x30",
    'securecall_public_log_stopped{instance="a"}': "0x30",
    'securecall_public_log_checkpoint_age_seconds{instance="a"}': "60x30",
    'securecall_public_log_quorum_age_seconds{instance="a"}': "600x30",
}


def alerts_at(promtool: str, series: dict[str, str], minute: int, alert: str, directory: Path) -> bool:
    """Return whether `alert` fires for instance a at that minute, by Prometheus' own test of rules."""
    rule = next(rule for rule in rules() if rule["alert"] == alert)
    # Everything that the rule says of instance a is compared; only the value in the description is not known here.
    without_text = {key: value for key, value in rule.items() if key != "annotations"}
    (directory / "rules.yml").write_text(json.dumps({"groups": [{"name": "one", "rules": [without_text]}]}))
    labels = {"severity": rule["labels"]["severity"], "instance": "a"} | (
        {"job": "securecall"} if "up{" in rule["expr"] else {}
    )
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": [{"exp_labels": labels}]}
                ],
            }
        ],
    }
    (directory / "test.yml").write_text(json.dumps(test))
    tested = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=directory, capture_output=True, text=True, check=False
    )
    output = tested.stdout + tested.stderr
    assert tested.returncode == 0 or "got:[]" in output, output
    return tested.returncode == 0


@pytest.mark.parametrize("alert", FIRES)
def test_alert_fires_when_it_should(promtool: str, alert: str, tmp_path: Path) -> None:
    minute, series = FIRES[alert]
    assert alerts_at(promtool, series, minute, alert, tmp_path)


def test_alert_fires_for_refused_connections_too(promtool: str, tmp_path: Path) -> None:
    assert alerts_at(promtool, REFUSED, 15, "SecureCallRefusalsSurge", tmp_path)


@pytest.mark.parametrize("alert", FIRES)
def test_alert_is_silent_on_an_ordinary_day(promtool: str, alert: str, tmp_path: Path) -> None:
    assert not alerts_at(promtool, CALM, 25, alert, tmp_path)


# --- The dashboard ------------------------------------------------------------------------------------


def test_dashboard_asks_for_what_a_server_has(exposed: Labels) -> None:
    for expr, legend in queries():
        check_series(expr, legend, exposed)


def test_dashboard_shows_every_series_that_the_server_makes(exposed: Labels) -> None:
    shown = " ".join(expr for expr, _ in queries())
    hidden = {name for name in exposed if name.startswith("securecall_") and not re.search(rf"\b{name}\b", shown)}
    # Buckets are shown as quantiles; the version has its own place in the list of processes.
    assert {name for name in hidden if not name.endswith(("_sum", "_count"))} == {"securecall_build_info"}


def test_dashboard_is_in_prometheus_language(promtool: str, tmp_path: Path) -> None:
    recorded = [{"record": f"query:{number}", "expr": expr} for number, (expr, _) in enumerate(queries())]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}))
    checked = subprocess.run(
        [promtool, "check", "rules", "--lint=none", "queries.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_dashboard_takes_its_data_source_from_a_variable() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names == ["datasource", "instance"]
    for panel in panels():
        for place in (panel, *panel["targets"]):
            assert place["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


def test_dashboard_has_no_two_panels_in_one_place() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
