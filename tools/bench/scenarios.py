"""The scenarios that measure a running server. Every figure is named with its unit."""

from tools.bench.plan import PAIRS, Plan
from tools.bench.running import Server
from tools.bench.session import Figures, Progress, Session, Window

STEADY_CALLS_PER_SECOND = 50
OPENED_LATE, OPENED_LATE_SECONDS = 1000, 5  # connections made while many are there
RESIDENT_SETTLE_SECONDS = 0.5
DISTURBED_PERCENT = 8  # of a core, by what else the machine does


def saturated(server: Server, plan: Plan, progress: Progress, pairs: int = PAIRS) -> Figures:
    """Forty pairs, or so many, call back to back."""
    with Session(server, progress, pairs) as session:
        figures = session.saturate(plan.warm_up_seconds, plan.saturated_seconds)
    progress(
        f"{figures['server_us_per_message']:.1f} µs a message, {figures['calls_per_second']:.0f} calls/s"
        + _disturbance(figures)
    )
    return figures


def steady(server: Server, plan: Plan, progress: Progress) -> Figures:
    """Fifty calls a second, evenly; in each, both sides' candidates go out at once, as browsers send them."""
    with Session(server, progress) as session:
        session.saturate(plan.warm_up_seconds, 0)
        wanted = int(plan.steady_seconds * STEADY_CALLS_PER_SECOND)
        starts = [number / STEADY_CALLS_PER_SECOND for number in range(wanted)]
        hops: list[float] = []
        session.calls.account.hop_seconds = hops
        window = Window(server, session.calls)
        late = session.calls.run_steadily(starts)
        figures = window.end()
        figures |= session.drain()
        hops.sort()
        figures |= {
            "hop_p50_ms": hops[len(hops) // 2] * 1e3,
            "hop_p99_ms": hops[len(hops) * 99 // 100] * 1e3,
            "hop_max_ms": hops[-1] * 1e3,
            "latest_start_ms": late * 1e3,
        }
    progress(
        f"{figures['server_us_per_message']:.1f} µs a message, "
        f"p50 {figures['hop_p50_ms']:.2f} ms, p99 {figures['hop_p99_ms']:.2f} ms" + _disturbance(figures)
    )
    return figures


def connections(server: Server, plan: Plan, progress: Progress) -> Figures:
    """Idle clients arrive in steps; at each, what a message costs, and what they cost themselves."""
    with Session(server, progress) as session:
        cost = session.saturate(plan.warm_up_seconds, plan.cost_seconds)
        figures = {"server_us_per_message_idle_0": cost["server_us_per_message"]}
        empty = server.resident_bytes()
        for level in plan.idle_levels:
            figures[f"connect_us_up_to_{level}"] = session.open_idle(level - session.idle)
            session.load.run(RESIDENT_SETTLE_SECONDS)
            figures[f"resident_kib_per_connection_{level}"] = (server.resident_bytes() - empty) / level / 1024
            if level in plan.heartbeat_levels:
                figures |= session.heartbeats(plan)
            if level == plan.idle_levels[-1]:
                figures[f"connect_us_at_{level}"] = session.open_idle(OPENED_LATE, OPENED_LATE_SECONDS)
            cost = session.saturate(0.3, plan.cost_seconds)
            figures[f"server_us_per_message_idle_{level}"] = cost["server_us_per_message"]
            figures["others_busy_percent"] = cost["others_busy_percent"]
            progress(_in_words(figures, level))
        figures |= session.faults
    return figures


def _disturbance(figures: Figures) -> str:
    others = figures["others_busy_percent"]
    return f"; other processes took {others:.0f} % of a core" if others > DISTURBED_PERCENT else ""


def _in_words(figures: Figures, level: int) -> str:
    words = {
        f"server_us_per_message_idle_{level}": "{:.1f} µs a message",
        f"connect_us_up_to_{level}": "{:.0f} µs to connect",
        f"connect_us_at_{level}": "{:.0f} µs once all are there",
        f"resident_kib_per_connection_{level}": "{:.1f} KiB each",
        f"heartbeat_us_{level}": "{:.0f} µs a heartbeat",
    }
    return f"{level} idle: " + ", ".join(text.format(figures[key]) for key, text in words.items() if key in figures)


SCENARIOS = {"saturated": saturated, "steady": steady, "connections": connections}
