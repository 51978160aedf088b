"""The API behind a real HTTP server, with boto3 clients signed for accounts of their own."""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import boto3
import msgspec
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.directories import CHEAP, PASSWORD, clear
from tests.support.stores import make_core, settings_of
from workpost.domain.access.accounts import create_access_key, create_account
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.operations.functions.running import close_functions
from workpost.operations.jobs.build import build_jobs, build_long_jobs, build_sync_jobs
from workpost.operations.monitoring.shipping import build_shippers
from workpost.protocols.api.build import build_front
from workpost.protocols.api.model import CONSOLE, OWN_MODELS, load_services
from workpost.protocols.api.server import ApiApplication
from workpost.protocols.s3.server import Doors, S3Application
from workpost.store.database.build import open_store

R = TypeVar("R")
_session = boto3.Session(region_name="us-east-1")
_session._loader.search_paths.append(str(OWN_MODELS))
OWN_ACTIONS = frozenset(load_services()[CONSOLE].operations)


class ApiServer:
    """Runs core, dispatcher and uvicorn on the loop of a thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = msgspec.structs.replace(settings, passwords=CHEAP)
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        # asyncio leaves it out for sockets it was given; answers are two writes.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(30)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        env = SystemEnvironment()
        store = await open_store(self._settings, env)
        self.core = make_core(store, self._settings, env)
        self._loop = asyncio.get_running_loop()
        self.front = await build_front(self.core)
        api = ApiApplication(self.front.dispatcher)
        application = Doors(S3Application(self.core), api)
        config = uvicorn.Config(
            application, log_config=None, lifespan="off", date_header=False, loop="asyncio"
        )
        self._server = uvicorn.Server(config)
        self._ready.set()
        await self._server.serve(sockets=[self._socket])
        await close_functions()
        await self.front.close()
        await store.close()
        await self.core.keys.close()

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine beside the server."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def client(self, account: str, policy: str | None = None) -> Any:
        """A boto3 client with a fresh key of the account."""
        key = self.run(create_access_key(self.core, account, policy=policy))
        return self.signed_by(key.access_key_id, key.secret_access_key)

    def signed_by(
        self, access_key: str, secret: str, token: str | None = None, service: str = "workmail"
    ) -> Any:
        """A boto3 client with these credentials."""
        return _session.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"max_attempts": 0}),
        )

    def tenant(self, alias: str) -> Tenant:
        """A fresh account with one organization."""
        account = self.run(create_account(self.core))
        client = self.client(account)
        organization = client.create_organization(Alias=alias)["OrganizationId"]
        return Tenant(client, account, organization, f"{alias}.test")

    def work(self) -> int:
        """Work on all jobs that are due."""
        made = [build(self.core) for build in (build_jobs, build_long_jobs, build_sync_jobs)]
        return sum(self.run(each.run_due()) for each in (*made, *build_shippers(self.core, 1)))

    def set(self, **changes: Any) -> None:
        """Change settings until the next `clear`, as SIGHUP does."""
        settings = msgspec.structs.replace(self.core.settings, **changes)
        msgspec.structs.force_setattr(self.core, "settings", settings)

    def clear(self) -> None:
        """Take the settings back, and empty every table but those of the machinery."""
        msgspec.structs.force_setattr(self.core, "settings", self._settings)
        self.run(self.core.store.write(clear))

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        self._socket.close()


@contextmanager
def serving(
    request: pytest.FixtureRequest, paths: pytest.TempPathFactory, engine: str = "sqlite"
) -> Iterator[ApiServer]:
    """A server over a fresh store."""
    with settings_of(request, engine, paths.mktemp("api") / "data") as settings:
        server = ApiServer(settings)
        yield server
        server.close()


class Tenant:
    """An account's client and its organization: `demo("DescribeUser", UserId=...)`."""

    def __init__(self, client: Any, account: str, organization: str, domain: str) -> None:
        self.client = client
        self.account = account
        self.organization = organization
        self.domain = domain

    @functools.cached_property
    def console(self) -> Any:
        """A client of the console's actions with the same key, made when first asked for."""
        key = self.client._get_credentials()
        return _session.client(
            CONSOLE,
            endpoint_url=self.client.meta.endpoint_url,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            config=Config(retries={"max_attempts": 0}),
        )

    def __call__(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call an action on the organization; raises botocore's ClientError."""
        parameters.setdefault("OrganizationId", self.organization)
        method = getattr(self.console if action in OWN_ACTIONS else self.client, _snake(action))
        answer: dict[str, Any] = method(**parameters)
        answer.pop("ResponseMetadata")
        return answer

    def user(self, name: str, *, enabled: bool = True, **more: Any) -> str:
        values = {"DisplayName": name.title(), "Password": PASSWORD, **more}
        user: str = self("CreateUser", Name=name, **values)["UserId"]
        if enabled:
            self("RegisterToWorkMail", EntityId=user, Email=f"{name}@{self.domain}")
        return user

    def group(self, name: str, *, enabled: bool = True) -> str:
        group: str = self("CreateGroup", Name=name)["GroupId"]
        if enabled:
            self("RegisterToWorkMail", EntityId=group, Email=f"{name}@{self.domain}")
        return group

    def resource(self, name: str, *, enabled: bool = True) -> str:
        resource: str = self("CreateResource", Name=name, Type="ROOM")["ResourceId"]
        if enabled:
            self("RegisterToWorkMail", EntityId=resource, Email=f"{name}@{self.domain}")
        return resource


def _snake(action: str) -> str:
    from botocore import xform_name

    name: str = xform_name(action)
    return name


def refused(call: Callable[..., Any], *args: Any, **parameters: Any) -> tuple[str, str]:
    """The error code and message of a call that must fail, with status 400."""
    with pytest.raises(ClientError) as caught:
        call(*args, **parameters)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return response["Error"]["Code"], response["Error"]["Message"]
