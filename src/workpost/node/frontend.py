"""A front end: one process (or the only one, with `--inline`) that serves clients.

Everything that holds a loop, a thread, a database handle or a TLS context is made here, after the
fork.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop

from workpost.kernel import logging
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.queue_settings import longer_stop
from workpost.kernel.settings import Settings, SettingsError
from workpost.node.build import Servers, build_core, build_servers, close_core
from workpost.node.demo import ensure_demo
from workpost.node.probe import LoopProbe
from workpost.node.resolver import build_resolver
from workpost.node.sockets import Listener
from workpost.operations.certificates.renewing import CertificateKeeper
from workpost.operations.domains.verification import DomainVerifier
from workpost.operations.jobs.build import build_jobs, build_long_jobs, build_sync_runners
from workpost.operations.mailflow.rule_runner import RuleRunner
from workpost.operations.mailflow.runner import LocalRunner
from workpost.operations.mailflow.signing import sign
from workpost.operations.monitoring.shipping import build_shippers
from workpost.operations.outbound.runner import OutboundRunner
from workpost.operations.outbound.transport import Transport
from workpost.operations.upkeep.sweep import sweep_forever
from workpost.store.core import Core

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that computes gives way to the loop."""

GRACE = 7.0
"""Seconds that clients have to finish what was accepted (the contract allows 10 in all)."""

log = logging.logger("node")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one front end does."""

    name: str
    settings: Settings
    reread: Callable[[], Settings]
    """The settings as file and environment have them now."""
    listeners: list[Listener]
    certificate: Path
    writer_socket: Path | None
    demo: bool
    jobs: bool
    upkeep: bool
    """The jobs that one process of a machine is enough for."""


def run(plan: Plan, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM; `ready` is called when every listener accepts."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(plan, ready))


async def _serve(plan: Plan, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(_until_stopped(plan, ready, stop))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    try:
        await asyncio.wait_for(serving, GRACE + 1.0 + longer_stop(plan.settings.queue))
    except TimeoutError:
        log.warning("the process was stopped before it had finished")


async def _until_stopped(plan: Plan, ready: Callable[[], None], stop: asyncio.Event) -> None:
    core = await build_core(plan.settings, SystemEnvironment(), plan.writer_socket)
    try:
        if plan.demo:
            await ensure_demo(core)
        servers = build_servers(core, plan.listeners, plan.certificate)
        keeper = CertificateKeeper(core)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: _reload(plan, servers, keeper))
        await servers.start()
        tasks = _start_jobs(plan, core, keeper)
        probe = LoopProbe(loop)
        probe.start()
        ready()
        await stop.wait()
        probe.stop()
        await _stop(servers, tasks)
    finally:
        await close_core(core)


def _reload(plan: Plan, servers: Servers, keeper: CertificateKeeper) -> None:
    try:
        fresh = plan.reread()
    except SettingsError as error:
        log.error("the new settings cannot be used; the old ones stay", reason=str(error))
        return
    logging.configure(fresh.log.level, plan.settings.log.format, process=plan.name)
    servers.reload(fresh)
    keeper.hasten()
    log.info("live settings and certificates were read anew")


def _start_jobs(plan: Plan, core: Core, keeper: CertificateKeeper) -> list[asyncio.Task[None]]:
    jobs: list[Callable[[], Awaitable[None]]] = []
    if plan.jobs:
        jobs.append(LocalRunner(core).run)
        jobs.append(RuleRunner(core).run)
        if not plan.settings.mailflow.hold_outside:
            jobs.append(lambda: OutboundRunner(core, Transport(core), sign).run())
        jobs.append(build_jobs(core).run)
        jobs += [runner.run for runner in build_sync_runners(core)]
        jobs += [runner.run for runner in build_shippers(core)]
        jobs += [build_long_jobs(core).run for _ in range(plan.settings.exports.at_once)]
        jobs.append(DomainVerifier(core, build_resolver(plan.settings)).run)
    if plan.upkeep:
        jobs.append(lambda: sweep_forever(core))
    if plan.upkeep and plan.settings.acme.enabled:
        jobs.append(keeper.run)
    return [asyncio.create_task(_guarded(job)) for job in jobs]


async def _guarded(run: Callable[[], Awaitable[None]]) -> None:
    """Keep a job alive: a bug in one round is logged, the next begins after a pause."""
    while True:
        try:
            await run()
            return
        except Exception:
            log.exception("a background job failed and begins again")
            await asyncio.sleep(5)


async def _stop(servers: Servers, tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    # Jobs finish what they have in hand while clients do.
    ending = asyncio.gather(*tasks, return_exceptions=True)
    await servers.stop(GRACE)
    await ending
