"""The arithmetic of docs/scaling.md: what so many connected clients ask, and what that takes."""

import math
from dataclasses import dataclass

from tools.bench.dialects import MESSAGES_PER_CALL, SECURECALL
from tools.bench.frames import CALL_ID_LENGTH, Template

BUSY_REDIS = 0.7  # beyond it, waiting grows fast
DAY, HOUR = 86_400, 3600
MICRO = 1e-6
KIB, GIB = 1024, 1024**3
PROCESS_LEASES_PER_SECOND, PROCESS_SWEEPS_PER_SECOND = 0.1, 1  # signaling/cluster/node.py
CALL_STEPS = 3  # open, answer and close: a script each (signaling/registry/redis.py)
ROWS_OF_A_CHANGED_KEY = 2  # the key and its history (pkd/directory.py)
FEWEST_PROCESSES = 2  # so that one can be replaced


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Assumptions of what people do, and how much a process is given."""

    clients_per_process: int = 10_000
    heartbeat_seconds: int = 30
    calls_placed_per_client_and_day: float = 2
    share_of_the_day_in_its_busiest_hour: float = 0.15
    connects_per_client_and_day: float = 20
    lookups_per_call: float = 1
    key_changes_per_client_and_year: float = 4
    storm_seconds: int = 60
    bytes_around_a_frame: int = 126  # TCP/IP with timestamps, the acknowledgement, and a TLS record
    bytes_of_a_connect: int = 6000  # TLS and WebSocket handshakes, REGISTER, REGISTERED, the key


ASSUMED = Assumptions()


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians of the runs; µs are CPU time."""

    heartbeat_us: float
    within_us: float
    across_us: float
    connect_us: float
    leave_us: float
    publish_us: float
    publishes_per_second: float
    redis_within_us: float
    redis_across_us: float
    redis_connect_us: float
    redis_leave_us: float
    redis_commands_to_connect: float
    redis_commands_to_leave: float
    redis_kib: float
    proxy_message_us: float
    proxy_connect_us: float
    proxy_kib: float
    connection_kib: float
    process_mib: float


class Demand:
    """The rates at which so many clients ask, and the machines that this takes. Each property is one formula."""

    def __init__(self, clients: int, measured: Measured, assumed: Assumptions = ASSUMED) -> None:
        """Derive from so many connected clients."""
        self.clients, self.measured, self.assumed = clients, measured, assumed
        self.processes = max(FEWEST_PROCESSES, math.ceil(clients / assumed.clients_per_process))
        self.across = 1 - 1 / self.processes  # by chance, as no proxy knows who will call whom
        self.heartbeats = clients / assumed.heartbeat_seconds
        busiest_second = assumed.share_of_the_day_in_its_busiest_hour / HOUR
        self.calls = clients * assumed.calls_placed_per_client_and_day * busiest_second
        self.messages = self.calls * MESSAGES_PER_CALL
        self.connects = clients * assumed.connects_per_client_and_day / DAY

    @property
    def cores(self) -> float:
        """Cores that the processes keep busy in the busiest hour."""
        m = self.measured
        message = self.across * m.across_us + (1 - self.across) * m.within_us
        arrival = m.connect_us + m.leave_us + m.publish_us
        return (self.heartbeats * m.heartbeat_us + self.messages * message + self.connects * arrival) * MICRO

    @property
    def memory_gib(self) -> float:
        """Resident memory of the processes."""
        m = self.measured
        return (self.clients * m.connection_kib * KIB + self.processes * m.process_mib * KIB**2) / GIB

    @property
    def redis_commands(self) -> float:
        """Commands a second. At most: the candidates of a burst travel in one PUBLISH."""
        m = self.measured
        a_call = CALL_STEPS + MESSAGES_PER_CALL * self.across
        rounds = self.processes * (PROCESS_LEASES_PER_SECOND + PROCESS_SWEEPS_PER_SECOND)
        coming_and_going = m.redis_commands_to_connect + m.redis_commands_to_leave
        return self.calls * a_call + self.connects * coming_and_going + rounds

    @property
    def redis_cores(self) -> float:
        """Return the share of its one core that Redis is busy."""
        m = self.measured
        message = self.across * m.redis_across_us + (1 - self.across) * m.redis_within_us
        return (self.messages * message + self.connects * (m.redis_connect_us + m.redis_leave_us)) * MICRO

    @property
    def proxy_cores(self) -> float:
        """The proxy's cores, without TLS; a heartbeat and its answer are two messages."""
        m = self.measured
        frames = self.messages + 2 * self.heartbeats
        return (frames * m.proxy_message_us + self.connects * m.proxy_connect_us) * MICRO

    @property
    def transactions(self) -> float:
        """Database transactions a second: each client publishes when it connects; most change nothing."""
        return self.connects + self.calls * self.assumed.lookups_per_call

    @property
    def written_rows(self) -> float:
        """Rows written a second, of keys that did change."""
        return self.clients * self.assumed.key_changes_per_client_and_year * ROWS_OF_A_CHANGED_KEY / (365 * DAY)

    @property
    def megabits(self) -> float:
        """To and from clients together, a second."""
        around = self.assumed.bytes_around_a_frame
        a_call = 2 * (CALL_BYTES + MESSAGES_PER_CALL * around)
        a_heartbeat = 2 * (len(SECURECALL.heartbeat) + around)
        arrivals = self.connects * self.assumed.bytes_of_a_connect
        return (self.calls * a_call + self.heartbeats * a_heartbeat + arrivals) * 8 / 1e6

    @property
    def storm_process_seconds(self) -> float:
        """A process' work to take all of its clients back."""
        return self.clients / self.processes * (self.measured.connect_us + self.measured.publish_us) * MICRO

    @property
    def storm_database_seconds(self) -> float:
        """The work of a process' database thread for the keys of all of its clients."""
        return self.clients / self.processes / self.measured.publishes_per_second

    @property
    def storm_redis_seconds(self) -> float:
        """Return the work of one Redis to register all clients."""
        return self.clients * self.measured.redis_connect_us * MICRO

    @property
    def storm_commands(self) -> float:
        """Return the Redis commands a second when all clients come back within the assumed time."""
        return self.clients * self.measured.redis_commands_to_connect / self.assumed.storm_seconds

    @property
    def storm_primaries(self) -> int:
        """Return the Redis primaries, each as busy as it may be, that register all clients within the assumed time."""
        return math.ceil(self.storm_redis_seconds / self.assumed.storm_seconds / BUSY_REDIS)

    @property
    def storm_transactions(self) -> float:
        """Database transactions a second in the same time."""
        return self.clients / self.assumed.storm_seconds


def _bytes_of_a_call() -> int:
    """Return the bytes that both sides send in a call; about the same arrives."""
    script = SECURECALL.script("caller", "callee")
    candidates = (*script.caller_candidates, *script.callee_candidates)
    return sum(map(_size, (script.offer, script.answer, *candidates, script.end)))


def _size(template: Template) -> int:
    return len(template.head) + CALL_ID_LENGTH + len(template.tail)


CALL_BYTES = _bytes_of_a_call()
