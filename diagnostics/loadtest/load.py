"""A load: many clients that connect little by little, and pairs of them that call at a steady rate."""

import asyncio
import contextlib
import itertools
import time

from websockets.exceptions import WebSocketException

from diagnostics.failures import ProbeError, sentence
from diagnostics.loadtest.account import Account, measure_lateness
from diagnostics.loadtest.pair import Pair
from diagnostics.loadtest.plan import Plan
from diagnostics.loadtest.refusal import count_refusal
from diagnostics.participant import Participant
from securecall_client import ClosedError, Heartbeat, HeartbeatAck, InvalidFrameError, SecureCallError
from securecall_client.connection import CLOSE_SECONDS

HEARTBEAT_SECONDS = 25  # below the reference's 30, as one check comes a second later
CONNECTING_AT_ONCE = 64
FAILURES_IN_A_ROW = 20  # after so many the rest will fail, too
NO_PAIR_SECONDS = 0.005


class Load:
    """Runs once. `stop` may be called from a signal handler: what there is by then is the result."""

    def __init__(self, plan: Plan) -> None:
        """Nothing happens before `run`."""
        self.account = Account(plan.clients, plan.calls_per_second)
        self.plan = plan
        self._clients: dict[Participant, Pair | None] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._spoke_at: dict[Participant, float] = {}
        self._failures_in_a_row = 0
        self._is_over = asyncio.Event()
        self._is_closing = False

    def stop(self) -> None:
        """End early."""
        self.account.is_interrupted = True
        self._is_over.set()

    @property
    def progress(self) -> tuple[float, str]:
        """Return how far the load is, from 0 to 1, and in words what it has done so far."""
        account, plan = self.account, self.plan
        if not account.connecting_seconds:
            done = account.connected + account.not_connected.total()
            return done / plan.clients, f"connected {account.connected:,} of {plan.clients:,}"
        share = min(1.0, account.calling_seconds / plan.seconds)
        return share, f"calls {account.calls_finished:,} of {account.calls_started:,} finished"

    async def run(self) -> Account:
        """Connect, call, wait for what is on its way, disconnect; returns what was met."""
        heartbeats, ticks = asyncio.create_task(self._beat()), asyncio.create_task(measure_lateness(self.account))
        try:
            await self._connect_all()
            await self._call_all()
        finally:
            heartbeats.cancel()
            ticks.cancel()
            self._is_closing = True
            await asyncio.gather(*(client.close() for client in self._clients), return_exceptions=True)
            await asyncio.wait(self._readers, timeout=CLOSE_SECONDS) if self._readers else None
        return self.account

    # --- Connecting ------------------------------------------------------------------------------

    async def _connect_all(self) -> None:
        begin = time.perf_counter()
        room = asyncio.Semaphore(CONNECTING_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for number in range(self.plan.clients):
                await self._sleep_until(begin + number / self.plan.connections_per_second)
                await room.acquire()
                if self._is_over.is_set() or self._is_hopeless():
                    break
                group.create_task(self._connect()).add_done_callback(lambda _: room.release())
        self.account.connecting_seconds = time.perf_counter() - begin

    def _is_hopeless(self) -> bool:
        return self.account.is_refused_by_address or self._failures_in_a_row >= FAILURES_IN_A_ROW

    async def _connect(self) -> None:
        plan, account = self.plan, self.account
        begin = time.perf_counter()
        client = None
        try:
            client = await Participant.connected(plan.url, "load", seconds=plan.timeout_seconds, origin=plan.origin)
            await client.register()
        except (ProbeError, SecureCallError, OSError, WebSocketException) as error:
            self._failures_in_a_row += 1
            account.not_connected[sentence(error, plan.url, plan.timeout_seconds, plan.origin)] += 1
            if client is not None:
                await count_refusal(client, error, account)
                await client.close()
            return
        self._failures_in_a_row = 0
        account.connected += 1
        account.connect_seconds.append(time.perf_counter() - begin)
        self._clients[client] = None
        self._spoke_at[client] = time.perf_counter()
        reader = asyncio.create_task(self._read(client))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)

    async def _read(self, client: Participant) -> None:
        try:
            while True:
                await self._hear(client)
        except ClosedError as closed:
            if self._is_closing:
                return
            self.account.closes[closed.code] += 1
        pair = self._clients.pop(client, None)
        if pair is not None:
            pair.leave()

    async def _hear(self, client: Participant) -> None:
        try:
            message = await client.connection.receive()
        except InvalidFrameError:
            self.account.altered += 1
            return
        pair = self._clients[client]
        if pair is not None and not isinstance(message, HeartbeatAck):
            await pair.heard(client, message)
            self._spoke_at[client] = time.perf_counter()

    # --- Calling ---------------------------------------------------------------------------------

    async def _call_all(self) -> None:
        if self._is_over.is_set():
            return
        clients = list(self._clients)
        pairs = [
            Pair(first, second, self.account, self.plan.timeout_seconds)
            for first, second in zip(clients[::2], clients[1::2], strict=False)
        ]
        for number, pair in enumerate(pairs):
            for client in clients[2 * number : 2 * number + 2]:
                self._clients[client] = pair
        if pairs:
            await self._call(pairs)

    async def _call(self, pairs: list[Pair]) -> None:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        until = begin + self.plan.seconds
        turns = itertools.cycle(pairs)
        for number in itertools.count():
            due = begin + number / self.plan.calls_per_second
            if due >= until or not await self._sleep_until(due):
                break
            if not await self._start_one(turns, len(pairs), until):
                break
            self._measure(begin, begin_cpu)
        self._measure(begin, begin_cpu)
        await asyncio.gather(*(pair.ended.wait() for pair in pairs))

    def _measure(self, begin: float, begin_cpu: float) -> None:
        self.account.calling_seconds = seconds = time.perf_counter() - begin
        self.account.cpu_share = (time.process_time() - begin_cpu) / seconds

    async def _start_one(self, turns: "itertools.cycle[Pair]", pairs: int, until: float) -> bool:
        """Start a call on the next free pair; False when there was none until the end."""
        while not self._is_over.is_set():
            pair = next((pair for pair in itertools.islice(turns, pairs) if pair.is_free), None)
            if pair is not None:
                with contextlib.suppress(ClosedError):
                    await pair.start()
                return True
            if time.perf_counter() >= until:
                break
            await asyncio.sleep(NO_PAIR_SECONDS)
        return False

    async def _sleep_until(self, moment: float) -> bool:
        """Wait, if there is time; False when the load is to end."""
        left = moment - time.perf_counter()
        if left > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._is_over.wait()
        return not self._is_over.is_set()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(1)
            silent_since = time.perf_counter() - HEARTBEAT_SECONDS
            for client in list(self._clients):
                if self._spoke_at[client] < silent_since:
                    self._spoke_at[client] = time.perf_counter()
                    with contextlib.suppress(ClosedError):
                        await client.send(Heartbeat())
