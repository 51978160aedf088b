"""A task that goes on at once when its protocol has what it waits for.

An asyncio task that waits for input costs a future, a callback and a turn of the loop each time a
client speaks, which is more than answering most commands. `EagerTask` runs its coroutine inside
``data_received`` instead. Everything else is a task as asyncio wants it ("Extending", task lifetime
support, in Python's documentation): timeouts, cancellation and ``current_task`` work as ever.
"""

import asyncio
import contextvars

# Named in Python's documentation for task implementations by third parties.
from asyncio.tasks import _enter_task, _leave_task, _register_task, _unregister_task
from collections.abc import Coroutine, Generator
from time import perf_counter
from typing import Any, Final

_PAUSE: Final = object()


class _Pause:
    """What `EagerTask.pause` awaits."""

    def __await__(self) -> Generator[object, None, None]:
        yield _PAUSE


class EagerTask(asyncio.Future[None]):
    """Runs ``coroutine`` from ``start`` on; between ``pause`` and ``resume`` it waits."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(loop=loop)
        self._coroutine = coroutine
        self._own_loop = loop
        self._context = contextvars.copy_context()
        self._paused = False
        self.since = 0.0
        """When it last began to run, on the clock of `time.perf_counter`."""
        self._awaited: asyncio.Future[Any] | None = None
        self._must_cancel = False
        self._cancelling = 0
        _register_task(self)  # type: ignore[arg-type]  # it is one to asyncio

    def start(self) -> None:
        """Run until the first wait."""
        self._paused = True
        self.resume()

    @property
    def paused(self) -> bool:
        """Whether it waits for ``resume``."""
        return self._paused

    @staticmethod
    def pause() -> _Pause:
        """Awaited by the coroutine itself: wait until somebody calls ``resume``."""
        return _Pause()

    def resume(self, error: BaseException | None = None) -> None:
        """End the pause, with an error raised there; nothing happens where none lasts.

        The coroutine runs before this returns, unless another task is running right now.
        """
        if not self._paused:
            return
        self._paused = False
        if asyncio.current_task(self._own_loop) is None:
            self._step(error)
        else:
            self._own_loop.call_soon(self._step, error)

    def cancel(self, msg: Any | None = None) -> bool:
        """As for any task: CancelledError is raised where the coroutine waits."""
        if self.done():
            return False
        self._cancelling += 1
        if self._awaited is not None and self._awaited.cancel(msg):
            return True
        self._must_cancel = True
        if self._paused:
            self._paused = False
            self._own_loop.call_soon(self._step, None)
        return True

    def cancelling(self) -> int:
        """How many requests to cancel were not taken back."""
        return self._cancelling

    def uncancel(self) -> int:
        """Take one request to cancel back."""
        self._cancelling = max(0, self._cancelling - 1)
        return self._cancelling

    def _wake(self, awaited: asyncio.Future[Any]) -> None:
        self._awaited = None
        self._step(None)

    def _step(self, error: BaseException | None) -> None:
        if self._must_cancel:
            self._must_cancel = False
            error = asyncio.CancelledError()
        _enter_task(self._own_loop, self)  # type: ignore[arg-type]
        self.since = perf_counter()
        try:
            if error is None:
                yielded = self._context.run(self._coroutine.send, None)
            else:
                yielded = self._context.run(self._coroutine.throw, error)
        except StopIteration:
            self._end()
            self.set_result(None)
        except asyncio.CancelledError:
            self._end()
            super().cancel()
        except (KeyboardInterrupt, SystemExit) as fatal:
            self._end()
            self.set_exception(fatal)
            raise
        except BaseException as fault:  # noqa: BLE001 - kept for whoever awaits the task
            self._end()
            self.set_exception(fault)
        else:
            self._wait_for(yielded)
        finally:
            _leave_task(self._own_loop, self)  # type: ignore[arg-type]

    def _wait_for(self, yielded: object) -> None:
        if yielded is _PAUSE:
            self._paused = True
            if self._must_cancel:
                self._paused = False
                self._own_loop.call_soon(self._step, None)
        elif yielded is None:  # asyncio.sleep(0)
            self._own_loop.call_soon(self._step, None)
        elif isinstance(yielded, asyncio.Future):
            yielded._asyncio_future_blocking = False
            self._awaited = yielded
            yielded.add_done_callback(self._wake)
            if self._must_cancel and yielded.cancel():
                self._must_cancel = False
        else:
            wrong = RuntimeError(f"a task cannot wait for {yielded!r}")
            self._own_loop.call_soon(self._step, wrong)

    def _end(self) -> None:
        _unregister_task(self)  # type: ignore[arg-type]
