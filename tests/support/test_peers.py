"""The peers that other tests stand on do start, are clean, and go away."""

from __future__ import annotations

import boto3
import psycopg
import pytest

from tests.support import peers
from tests.support.moto import MotoServer
from tests.support.postgres import PostgresServer


def test_each_test_gets_an_empty_database(postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_template_is_filled_once_and_copied(postgres_server: PostgresServer) -> None:
    filled = []

    def fill(url: str) -> None:
        filled.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n int)")

    for _ in range(2):
        template = postgres_server.template("support", fill)
        name = postgres_server.create_database(template)
        with psycopg.connect(postgres_server.url(name)) as connection:
            connection.execute("INSERT INTO kept VALUES (1)")
        postgres_server.drop_database(name)
    assert len(filled) == 1


def test_moto_serves_s3_and_kms_by_the_environment_alone(moto_server: MotoServer) -> None:
    boto3.client("s3").create_bucket(Bucket="mail")
    key = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
    plain = boto3.client("kms").generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"]
    assert len(plain) == 32
    moto_server.reset()
    assert boto3.client("s3").list_buckets()["Buckets"] == []


def test_a_missing_peer_skips_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI_REQUIRE_PEERS", raising=False)
    monkeypatch.setattr(peers, "find", lambda program: None)
    with pytest.raises(pytest.skip.Exception, match="apt install dovecot-imapd"):
        peers.require_peer("dovecot")


def test_a_missing_peer_fails_where_peers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_REQUIRE_PEERS", "1")
    monkeypatch.setattr(peers, "find", lambda program: None)
    with pytest.raises(pytest.fail.Exception, match="apt install postfix"):
        peers.require_peer("postfix")
