"""Build the keys of a process from the settings."""

from __future__ import annotations

from workpost.integrations.kms.aws import KmsKey, KmsService
from workpost.integrations.kms.base import KMS, RING, Master
from workpost.integrations.kms.ring import KeyRing
from workpost.kernel.clock import Environment
from workpost.kernel.settings import Settings, SettingsError, sqlite_path
from workpost.store.keys.facade import Keys
from workpost.store.keys.hierarchy import START, Hierarchy
from workpost.store.keys.records import KeyStore
from workpost.store.keys.sqlite import SqliteKeyStore

NO_KEYS = (
    "the key store {} holds no key: keys.url has to name the one of this data"
    " (is --config missing?), or it has to be restored"
)


class MasterTable:
    """The masters of one installation: the local key ring, and one KMS endpoint's keys."""

    def __init__(self, settings: Settings, env: Environment) -> None:
        self.ring = KeyRing(settings.keyring_path, env)
        self._kms_key = settings.keys.kms_key
        self._service = KmsService(settings.api.region)
        self._default = ""

    def get(self, parent: str) -> Master:
        """The master of a topmost key's `parent` column."""
        return self.ring if parent == RING else KmsKey(self._service, parent.removeprefix(KMS))

    def default(self) -> str:
        """The parent of new topmost keys: `ring`, or the KMS key of the settings by its ARN."""
        if not self._default:
            key = self._kms_key
            self._default = f"{KMS}{self._service.key_arn(key)}" if key else RING
        return self._default


def open_key_store(settings: Settings, *, needed: bool = False) -> KeyStore:
    """Open (and make or migrate) the key store of the settings. Blocking; raises TryLater.

    With `needed` it has to hold keys already, and is not made: raises SettingsError.
    """
    path = sqlite_path(settings.keys_url)
    where = path or "that keys.url names"
    if needed and path is not None and not path.exists():
        raise SettingsError(NO_KEYS.format(where))
    store = SqliteKeyStore(path) if path is not None else _postgres(settings.keys_url)
    if needed and not store.page(after=START, limit=1):
        store.close()
        raise SettingsError(NO_KEYS.format(where))
    return store


def _postgres(url: str) -> KeyStore:
    from workpost.store.keys.postgres import PostgresKeyStore

    return PostgresKeyStore(url)


def open_keys(settings: Settings, env: Environment, *, needed: bool = False) -> Keys:
    """Open the keys of this process. Blocking for a moment; raises TryLater.

    With `needed` the data depends on keys: raises SettingsError when there are none.

    The local key ring is made only while nothing in the key store is wrapped by it: one that is
    missing later is an accident, answered with TryLater until it is back.
    """
    store = open_key_store(settings, needed=needed)
    masters = MasterTable(settings, env)
    if not settings.keys.kms_key and not store.has_children(RING):
        masters.ring.create()
    hierarchy = Hierarchy(store, masters, env)
    hierarchy.apply_shred_list()
    return Keys(hierarchy)
