"""Keep a client ID registered, over as many connections as are needed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from websockets.exceptions import WebSocketException

from securecall_client.connection import Connection
from securecall_client.errors import ClosedError, RequestError, SecureCallError
from securecall_client.exchange import Exchange
from securecall_client.messages import CallInitiate, ServerMessage
from securecall_client.ownership import Identity
from securecall_client.patience import patiently
from securecall_client.reconnect import Loss, ReconnectPolicy
from securecall_client.repeats import Repeats
from securecall_client.standing import CallRequest, Standing

# What an attempt to connect and register raises.
_FAILURES = (OSError, WebSocketException, SecureCallError)


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no connection; the next attempt is in `retry_in` seconds, or never where that is None."""

    loss: Loss
    retry_in: float | None


Event: TypeAlias = ServerMessage | Disconnected


class Registration:
    """Connects and registers once when it is started, and again, as `reconnect` decides, until it is stopped."""

    def __init__(  # noqa: PLR0913 -- what an application may say of it
        self,
        open_connection: Callable[[], Awaitable[Connection]],
        client_id: str,
        reconnect: ReconnectPolicy,
        *,
        timeout: float,
        heartbeat_seconds: float,
        identity: Identity | None = None,
    ) -> None:
        """`timeout` is in seconds, for each REGISTER, which `identity` signs where the ID belongs to a key."""
        self._identity = identity
        # What came, in order; None once nothing follows.
        self.events: asyncio.Queue[Event | None] = asyncio.Queue()
        self.repeats = Repeats()
        self._standing = Standing()
        self._open = open_connection
        self._client_id = client_id
        self._reconnect = reconnect
        self._timeout = timeout
        self._heartbeat_seconds = heartbeat_seconds
        # Pending while there is no registered connection, failed once there will be none.
        self._exchange: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self._staying: asyncio.Task[ClosedError] | None = None

    async def start(self) -> None:
        """Connect and register; raises what `Connection.open` and `Connection.register` do, without trying again."""
        exchange = await self._register()
        self._staying = asyncio.create_task(self._stay(exchange))
        # Not in its `finally`, which a task that is cancelled before its first step never reaches.
        self._staying.add_done_callback(self._end)

    async def stop(self, code: int) -> None:
        """Close the connection with `code` and stay away."""
        if self._staying is None:
            return
        exchange = self._exchange
        self._staying.cancel()
        await asyncio.wait([self._staying])
        if exchange.done() and exchange.exception() is None:
            await exchange.result().connection.close(code)
        if not self._staying.cancelled():
            self._staying.result()

    async def exchange(self) -> Exchange:
        """Wait until there is a registered connection; raises `ClosedError` where there will be none."""
        return await asyncio.shield(self._exchange)

    def exchange_now(self) -> Exchange:
        """Return the registered connection's; raises `ClosedError` where there is none at the moment."""
        if not self._exchange.done():
            raise ClosedError
        return self._exchange.result()

    async def confirm(self, request: CallRequest, call_id: str) -> None:
        """Have a request about a call carried out, once, over as many connections as that takes."""
        exchange, is_repeated = await self.exchange(), False
        while True:
            try:
                if is_repeated:
                    await exchange.catch_up()
                if not (is_repeated and self._is_done(request, call_id)):
                    await exchange.confirm(request, call_id)
                break
            except ClosedError:
                await exchange.over.wait()
                exchange, is_repeated = await self.exchange(), True
            except RequestError as error:
                if is_repeated and self._standing.was_done(request, error.code):
                    break
                raise
        self._standing.did(request, call_id)

    def _is_done(self, request: CallRequest, call_id: str) -> bool:
        """Return whether a request was carried out whose connection broke before its answer."""
        # A call that was placed may have ended meanwhile.
        has_ended = isinstance(request, CallInitiate) and self.repeats.has_ended(call_id)
        return has_ended or self._standing.is_done(request, call_id)

    async def _register(self) -> Exchange:
        connection = await self._open()
        try:
            registered = await patiently(lambda: connection.register(self._client_id, self._identity), self._timeout)
        except BaseException:
            connection.abort()
            raise
        exchange = Exchange(connection, self._deliver, self._heartbeat_seconds)
        self.repeats.begin_connection()
        self._standing.registered(registered.calls)
        self.events.put_nowait(registered)
        self._exchange.set_result(exchange)
        return exchange

    def _deliver(self, message: ServerMessage) -> None:
        if not self.repeats.is_repeat(message):
            self._standing.heard(message)
            self.events.put_nowait(message)

    async def _run(self, exchange: Exchange) -> ClosedError:
        """Exchange messages until the connection is closed; returns how it was closed."""
        catching_up = asyncio.create_task(self._tell_gone(exchange))
        try:
            return await exchange.run()
        finally:
            catching_up.cancel()

    async def _tell_gone(self, exchange: Exchange) -> None:
        """Tell the end of calls that ended unheard while there was no connection."""
        if not self._standing.gone():
            return
        with contextlib.suppress(ClosedError):
            await exchange.catch_up()
            for ended in self._standing.gone():
                self._deliver(ended)

    async def _stay(self, exchange: Exchange) -> ClosedError:
        """Stay registered until `reconnect` gives up; returns how that was."""
        loss = Loss(await self._run(exchange))
        while (delay := self._lose(loss)) is not None:
            await asyncio.sleep(delay)
            try:
                exchange = await self._register()
            except _FAILURES as failure:
                loss = Loss(failure, loss.failed_attempts + 1)
            else:
                loss = Loss(await self._run(exchange))
        return loss.error if isinstance(loss.error, ClosedError) else ClosedError()

    def _lose(self, loss: Loss) -> float | None:
        """Tell of a lost connection or a failed attempt; returns how long to wait before the next one."""
        if self._exchange.done():
            self._exchange = asyncio.get_running_loop().create_future()
        delay = self._reconnect.delay_seconds(loss)
        self.events.put_nowait(Disconnected(loss, delay))
        return delay

    def _end(self, staying: "asyncio.Task[ClosedError]") -> None:
        """Fail every request that waits for a connection, now or later, as there will be none."""
        error = ClosedError(1000) if staying.cancelled() else ClosedError()
        if not staying.cancelled() and staying.exception() is None:
            error = staying.result()
        if self._exchange.done():
            self._exchange = asyncio.get_running_loop().create_future()
        self._exchange.set_exception(error)
        # Perhaps no request waits, and asyncio would report an error that is never read.
        self._exchange.exception()
        self.events.put_nowait(None)
