"""Open files: as many as the sessions need, where the system allows it."""

import resource

import pytest

from workpost.kernel.limit_settings import Limits
from workpost.kernel.settings import Settings
from workpost.node import descriptors

SETTINGS = Settings(limits=Limits(sessions=5_000))


@pytest.mark.parametrize(
    ("soft", "hard", "set_to"),
    [
        (1_024, 20_000, [(10_000, 20_000)]),
        (1_024, resource.RLIM_INFINITY, [(10_000, resource.RLIM_INFINITY)]),
        (1_024, 4_096, [(4_096, 4_096)]),
        (10_000, 20_000, []),
    ],
)
def test_the_soft_limit_is_raised_towards_the_hard_one(monkeypatch, soft, hard, set_to):
    made = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: made.append(pair))
    descriptors.raise_descriptors(SETTINGS)
    assert made == set_to


def test_where_it_cannot_be_raised_serving_goes_on(monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 20_000))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    descriptors.raise_descriptors(SETTINGS)
    descriptors.warn_of_descriptors(SETTINGS)


@pytest.mark.parametrize(
    ("soft", "most"),
    [(resource.RLIM_INFINITY, 5_000), (10_000, 5_000), (1_024, 512), (1, 1)],
)
def test_there_are_no_more_sessions_than_descriptors_allow(monkeypatch, soft, most):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert descriptors.most_sessions(SETTINGS) == most
