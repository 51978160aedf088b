"""Settings: defaults, file, environment, command line; one line for every mistake."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.kernel.configuration import (
    KEYS,
    MASK,
    describe,
    effective,
    load,
    to_toml,
    with_live,
)
from workpost.kernel.configuration_checks import parse_ldap_url
from workpost.kernel.listeners import (
    exposed_listeners,
    is_proxied,
    listening_hosts,
    parse_address,
    proxies_of,
)
from workpost.kernel.settings import Settings, SettingsError, sqlite_path, with_random_ports

DOCS = Path(__file__).parent.parent.parent / "docs"


def write(folder: Path, text: str) -> Path:
    path = folder / "workpost.toml"
    path.write_text(text)
    return path


# --- defaults ---


def test_without_a_file_the_defaults_are_those_of_the_contract() -> None:
    settings = load(None, None, {})
    listeners = settings.listeners
    assert listeners.http == ("127.0.0.1:8480",)
    assert listeners.https == ("127.0.0.1:8443",)
    assert listeners.smtp == ("127.0.0.1:2525",)
    assert listeners.submission == ("127.0.0.1:2587",)
    assert listeners.submissions == ("127.0.0.1:2465",)
    assert listeners.imap == ("127.0.0.1:2143",)
    assert listeners.imaps == ("127.0.0.1:2993",)
    assert settings.organizations.suffix == "test"
    assert settings.api.region == "us-east-1"
    assert settings.login.without_tls is False
    assert exposed_listeners(settings) == []


def test_everything_lies_under_the_data_directory_unless_told_otherwise(tmp_path: Path) -> None:
    settings = load(None, tmp_path, {})
    assert sqlite_path(settings.database_url) == tmp_path / "store" / "workpost.db"
    assert sqlite_path(settings.keys_url) == tmp_path / "keys" / "keys.db"
    assert settings.keyring_path == tmp_path / "keys" / "keyring.json"
    folders = (
        settings.run_dir,
        settings.content_dir,
        settings.tls_dir,
        settings.outside_dir,
    )
    assert {folder.parent for folder in folders} == {tmp_path}
    assert settings.front_ends >= 1


def test_another_engine_has_no_file() -> None:
    settings = load(None, None, {"WORKPOST_DATABASE__URL": "postgresql://db.example/mail"})
    assert settings.database_url == "postgresql://db.example/mail"
    assert sqlite_path(settings.database_url) is None


def test_settings_are_plain_data_that_crosses_processes() -> None:
    settings = load(None, None, {})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(settings), type=Settings) == settings
    with pytest.raises(AttributeError):
        settings.hostname = "elsewhere.example"  # type: ignore[misc]


# --- sources ---


def test_the_command_line_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'data_dir = "one"\n[limits]\nrecipients = 10\nmailbox_megabytes = 20\n')
    env = {"WORKPOST_DATA_DIR": "/two", "WORKPOST_LIMITS__RECIPIENTS": "30", "HOME": "/root"}
    assert load(path, None, {}).data == tmp_path / "one"
    settings = load(path, "/three", env)
    assert (settings.data, settings.limits.recipients) == (Path("/three"), 30)
    assert settings.limits.mailbox_megabytes == 20
    assert load(path, None, env).data == Path("/two")


def test_listeners_are_a_text_a_list_or_off(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "[listeners]\n"
        'imap = "off"\nsmtp = "0.0.0.0:25"\nimaps = ["127.0.0.1:993", "[::1]:993"]\nhttp = []\n',
    )
    settings = load(path, None, {"WORKPOST_LISTENERS__SUBMISSION": "127.0.0.1:587, [::]:587"})
    assert settings.listeners.imap == ()
    assert settings.listeners.http == ()
    assert settings.listeners.imaps == ("127.0.0.1:993", "[::1]:993")
    assert settings.listeners.submission == ("127.0.0.1:587", "[::]:587")
    assert exposed_listeners(settings) == ["smtp", "submission"]
    assert load(None, None, {"WORKPOST_LISTENERS__IMAP": "off"}).listeners.imap == ()


def test_random_ports_leave_closed_what_is_off() -> None:
    settings = with_random_ports(load(None, None, {"WORKPOST_LISTENERS__SMTP": "off"}))
    assert settings.listeners.smtp == ()
    assert settings.listeners.imap == ("127.0.0.1:0",)


def test_paths_in_the_file_are_relative_to_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[tls]\ncertificate = "tls/cert.pem"\nkey = "/etc/ssl/key.pem"\n')
    settings = load(path, None, {})
    assert settings.tls.certificate == str(tmp_path / "tls" / "cert.pem")
    assert settings.tls.key == "/etc/ssl/key.pem"


def test_a_hostname_is_no_loopback_unless_it_is_localhost() -> None:
    env = {
        "WORKPOST_LISTENERS__IMAP": "mail.example:143",
        "WORKPOST_LISTENERS__SMTP": "localhost:25",
    }
    assert exposed_listeners(load(None, None, env)) == ["imap"]


FUNCTION = """
[[lambda.functions]]
arn = "arn:aws:lambda:us-east-1:444455556666:function:availability"
accounts = ["111122223333"]
kind = "http"
url = "https://functions.example/availability"
"""


def test_tables_come_from_the_file_or_as_json_from_the_environment(tmp_path: Path) -> None:
    (function,) = load(write(tmp_path, FUNCTION), None, {}).lambda_.functions
    assert function.accounts == ("111122223333",)
    assert function.url == "https://functions.example/availability"
    text = f'[{{"arn": "{function.arn}", "accounts": [], "kind": "aws"}}]'
    settings = load(None, None, {"WORKPOST_LAMBDA__FUNCTIONS": text})
    assert [each.kind for each in settings.lambda_.functions] == ["aws"]
    assert load(None, None, {"WORKPOST_LAMBDA__FUNCTIONS": "[]"}).lambda_.functions == ()


def test_tables_can_change_while_serving_and_are_shown(tmp_path: Path) -> None:
    fresh = load(write(tmp_path, FUNCTION), None, {})
    assert with_live(load(None, None, {}), fresh).lambda_ == fresh.lambda_
    assert load(write(tmp_path, to_toml(fresh)), None, {}).lambda_ == fresh.lambda_


DIRECTORY = """
[directories.d-0123456789]
account = "111122223333"
urls = "ldaps://ldap.example"
bind_dn = "cn=reader,dc=example,dc=test"
password_file = "secrets/reader"
base_dn = "dc=example,dc=test"
"""


def test_tables_of_which_there_may_be_several(tmp_path: Path) -> None:
    more = DIRECTORY.replace("0123456789", "aaaaaaaaaa").replace("3333", "4444")
    path = write(tmp_path, DIRECTORY + more)
    env = {
        "WORKPOST_DIRECTORIES__D_0123456789__SYNC_SECONDS": "60",
        "WORKPOST_DIRECTORIES__D_0123456789__URLS": "ldap://a.example, ldaps://b.example:7636",
    }
    directories = load(path, None, env).directories
    assert set(directories) == {"d-0123456789", "d-aaaaaaaaaa"}
    first, second = directories["d-0123456789"], directories["d-aaaaaaaaaa"]
    assert first.urls == ("ldap://a.example", "ldaps://b.example:7636")
    assert (first.sync_seconds, second.sync_seconds) == (60, 14_400)
    assert first.password_file == str(tmp_path / "secrets" / "reader")
    assert second.account == "111122224444"


def test_what_is_in_force_of_them_can_be_read_again(tmp_path: Path) -> None:
    settings = load(write(tmp_path, DIRECTORY), None, {})
    again = load(write(tmp_path, to_toml(settings)), None, {})
    assert again.directories == settings.directories


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("account = ", "acount = ", "unknown setting directories.d-0123456789.acount"),
        ('account = "111122223333"', "", "directories.d-0123456789.account: must be set"),
        ("111122223333", "42", "directories.d-0123456789.account: expected str matching"),
        ("ldaps://", "http://", "directories.d-0123456789.urls: 'http://ldap.example'"),
        ("ldaps://ldap.example", "ldaps://", "directories.d-0123456789.urls: "),
        ("base_dn", "without_tls = true\nbase_dn", ""),
        (
            'ldaps://ldap.example"',
            'ldap://ldap.example"\nwithout_tls = true',
            "directories.d-0123456789.without_tls: ldap.example is not on loopback",
        ),
        ("base_dn", 'attributes = ["nme=uid"]\nbase_dn', "attributes: 'nme=uid' is not possible"),
        ("base_dn", 'attributes = ["id="]\nbase_dn', "attributes: 'id=' is not possible"),
        ("base_dn", 'attributes = ["city="]\nbase_dn', ""),
        ("d-0123456789", "d-0", "directories: expected str matching"),
        ("d-0123456789]", "d-0123456789.x]", "unknown setting"),
    ],
)
def test_mistakes_in_one_of_them(tmp_path: Path, before: str, after: str, words: str) -> None:
    path = write(tmp_path, DIRECTORY.replace(before, after))
    if not words:
        assert load(path, None, {}).directories
        return
    with pytest.raises(SettingsError) as caught:
        load(path, None, {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["ldap://[::1]:389", "ldaps://ldap.example", "ldap://127.0.0.1"])
def test_urls_of_directories(url: str) -> None:
    scheme, host, port = parse_ldap_url(url)
    assert host in url
    assert port == {"ldap": 389, "ldaps": 636}[scheme]


# --- mistakes: one line each, which names the setting ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[listeners]\nimapz = 1", "unknown setting listeners.imapz; did you mean listeners.imap"),
        ("[zebra]\nx = 1", "unknown setting zebra.x; see docs/settings.md"),
        ("listeners = 5", "listeners is a section"),
        ("[limits]\nrecipients = 'many'", "limits.recipients: expected int, got str"),
        ("[limits]\nrecipients = 0", "limits.recipients: expected int >= 1"),
        ("[log]\nlevel = 'loud'", "log.level: "),
        ("[listeners]\nimap = '2143'", "listeners.imap: '2143' is not host:port"),
        ("[listeners]\nimap = '127.0.0.1:70000'", "is not host:port"),
        ("[listeners]\nimap = '::1:143'", "IPv6 as"),
        ("[listeners]\nimap = '[nonsense]:143'", "listeners.imap: "),
        (
            "[listeners]\nimap = 'unix:/run/imap'",
            "listeners.imap: 'unix:/run/imap' is ",
        ),
        ("[listeners]\nlmtp = '192.0.2.1:24'", "listeners.lmtp: '192.0.2.1:24' is neither on"),
        ("[listeners]\nlmtp = 'unix:run/lmtp'", "listeners.lmtp: 'unix:run/lmtp' is not unix:"),
        (f"[listeners]\nlmtp = 'unix:/{'x' * 107}'", "listeners.lmtp: "),
        ("[listeners]\nproxies = '10.0.0.1/8'", "listeners.proxies: 10.0.0.1/8 has host bits set"),
        ("[listeners]\nproxies = '::1 pop3'", "listeners.proxies: 'pop3' is no listener"),
        ("[listeners]\nproxies = ['']", "listeners.proxies: "),
        ("[smtp]\nunlimited = 'here'", "smtp.unlimited: "),
        ("[smtp]\ntarpit_seconds = 121", "smtp.tarpit_seconds: "),
        ("[sieve]\ntime_zone = 'Europe/Nowhere'", "sieve.time_zone: 'Europe/Nowhere' is no zone"),
        ("[sieve]\ntime_zone = '../etc/passwd'", "sieve.time_zone: '../etc/passwd' is no zone"),
        ("[sieve]\ntime_zone = 'Europe'", "sieve.time_zone: 'Europe' is no zone"),
        ("[ops]\nallow = ['10.0.0.1/8']", "ops.allow: 10.0.0.1/8 has host bits set"),
        ("[database]\nurl = 'mysql://db.example/'", "database.url: must be postgresql"),
        ("[keys]\nurl = 'keys.db'", "keys.url: must be postgresql"),
        ("[tls]\nkey = 'key.pem'", "tls: certificate and key must both be set"),
        ("[content]\ns3_prefix = 'mail/'", "content.s3_prefix: has no meaning without"),
        ("[passwords]\nmemory_kib = 8192\nparallelism = 17", "passwords.parallelism: "),
        ("[api]\nregion = 'the moon'", "api.region: "),
        ("[organizations]\nsuffix = 'Ex ample'", "organizations.suffix: "),
        ("[egress]\nallow = ['10.0.0.1/8']", "egress.allow: 10.0.0.1/8 has host bits set"),
        ("[lambda]\nfunctions = 5", "lambda.functions: expected array, got int"),
        ("[lambda]\nfunctions = ['arn']", "lambda.functions[0]: expected object, got str"),
        (FUNCTION.replace("arn:aws", "aws"), "lambda.functions[0].arn: "),
        (FUNCTION.replace("https:", "ftp:"), "lambda.functions: 'ftp://"),
        (FUNCTION.replace("url", "link"), "lambda.functions[0]: "),
        (FUNCTION.replace("https://", "https://ada:x@"), "holds no user name or password"),
        ("not toml", "is not valid TOML"),
        ('[dmarc]\nreports = "postmaster"\n', "dmarc.reports"),
        ('[outbound]\ntls_reports = "a@b.test, c@d.test"\n', "outbound.tls_reports"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, text), None, {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*: No such file"):
        load(tmp_path / "none.toml", None, {})


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("WORKPOST_LIMITS__RECIPIENTS", "x", "WORKPOST_LIMITS__RECIPIENTS: expected int"),
        ("WORKPOST_LOGIN__WITHOUT_TLS", "perhaps", "expected bool"),
        ("WORKPOST_LIMIT", "x", "WORKPOST_LIMIT: unknown setting limit"),
        ("WORKPOST_LIMITS", "x", "limits is a section"),
        ("WORKPOST_LAMBDA__FUNCTIONS", "x", "WORKPOST_LAMBDA__FUNCTIONS: a list in JSON"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    variable: str, text: str, words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, None, {variable: text})
    assert words in str(caught.value)


@given(st.text(max_size=40))
def test_addresses_raise_nothing_but_value_errors(text: str) -> None:
    try:
        host, port = parse_address(text)
    except ValueError:
        return
    assert host
    assert 0 <= port <= 65535


@given(st.dictionaries(st.sampled_from(sorted(KEYS)), st.text(max_size=20), max_size=4))
def test_any_environment_loads_or_is_refused_with_one_line(values: dict[str, str]) -> None:
    with suppress(SettingsError):
        load(None, None, {KEYS[name].variable: text for name, text in values.items()})


# --- config show, docs ---


def test_config_show_masks_passwords_and_reads_back(tmp_path: Path) -> None:
    env = {
        "WORKPOST_DATABASE__URL": "postgresql://mail:open:s@same@db.example/mail?password=sesame",
        "WORKPOST_HOSTNAME": "mail.example",
        "WORKPOST_LOG__FORMAT": "json",
    }
    shown = to_toml(load(None, None, env))
    assert "s@same" not in shown
    assert "sesame" not in shown
    assert f"postgresql://mail:{MASK}@db.example/mail?password={MASK}" in shown
    again = effective(load(write(tmp_path, shown), None, {}))
    assert (again["hostname"], again["log.format"]) == ("mail.example", "json")


def test_config_show_masks_the_relays_password() -> None:
    env = {
        "WORKPOST_OUTBOUND__RELAY": "smtp.example:587",
        "WORKPOST_OUTBOUND__RELAY_USER": "workpost",
        "WORKPOST_OUTBOUND__RELAY_PASSWORD": "sesame",
    }
    shown = to_toml(load(None, None, env))
    assert "sesame" not in shown
    assert f'relay_password = "{MASK}"' in shown


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('routes = ["example.test"]', "outbound.routes"),
        ('routes = ["example.test=1.2.3.4:99999"]', "outbound.routes"),
        ('tls = ["example.test=maybe"]', "outbound.tls"),
        ('allow = ["10.0.0.1/8"]', "outbound.allow"),
        ('source_ipv4 = "::1"', "outbound.source_ipv4"),
        ('source_ipv6 = "1.2.3.4"', "outbound.source_ipv6"),
        ('relay = "smtp.example"', "outbound.relay"),
        ('relay_user = "x"', "relay_user and a password"),
        ('relay_password = "x"', "relay_user and a password"),
        (
            'relay_user = "x"\nrelay_password = "y"\nrelay_password_file = "z"',
            "relay_password and relay_password_file",
        ),
        (
            'relay = "smtp.example:25"\nrelay_user = "x"\nrelay_password = "y"\nrelay_tls = "none"',
            "outbound.relay_tls",
        ),
    ],
)
def test_settings_of_outbound_that_cannot_be(tmp_path: Path, lines: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, f"[outbound]\n{lines}\n"), None, {})
    assert complaint in str(caught.value)


def test_a_relay_on_loopback_may_have_a_password_without_tls(tmp_path: Path) -> None:
    lines = 'relay = "127.0.0.1:25"\nrelay_user = "x"\nrelay_password = "y"\nrelay_tls = "none"'
    assert load(write(tmp_path, f"[outbound]\n{lines}\n"), None, {}).outbound.relay_user == "x"


def test_every_setting_is_documented() -> None:
    assert not [name for name, key in KEYS.items() if not key.description]


def test_proxies_hold_for_all_listeners_or_for_some() -> None:
    env = {"WORKPOST_LISTENERS__PROXIES": "10.0.0.0/8, 127.0.0.1 smtp  imaps"}
    settings = load(None, None, env)
    assert proxies_of(settings, "smtp") == ["10.0.0.0/8", "127.0.0.1"]
    assert proxies_of(settings, "https") == ["10.0.0.0/8"]
    assert is_proxied(settings, "smtp", "127.0.0.1")
    assert is_proxied(settings, "smtp", "localhost")
    assert not is_proxied(settings, "https", "127.0.0.1")
    assert not is_proxied(settings, "smtp", "::1")
    assert not is_proxied(settings, "smtp", "mail.a.test")


def test_lmtp_is_off_and_listens_on_this_machine_only() -> None:
    assert Settings().listeners.lmtp == ()
    settings = load(None, None, {"WORKPOST_LISTENERS__LMTP": "127.0.0.1:2424,unix:/run/x/lmtp"})
    assert exposed_listeners(settings) == []
    assert listening_hosts(settings, "lmtp") == ["127.0.0.1"]


def test_the_page_of_settings_is_current() -> None:
    assert (DOCS / "settings.md").read_text() == describe(), "run script/docs"


# --- lists of tables ---

PROVIDER = """
[[identity.providers]]
account = "111122223333"
instance_arn = "arn:aws:sso:::instance/ssoins-1234567890abcdef"
issuer = "https://id.example/realms/mail"
client_id = "workpost"
client_secret_file = "oidc.secret"
"""
JSON = (
    '[{"account": "111122223333", "instance_arn": "arn:aws:sso:::instance/ssoins-1234567890abcdef",'
    ' "issuer": "https://id.example", "client_id": "workpost"}]'
)


def test_each_table_of_a_list_has_keys_and_paths_of_its_own(tmp_path: Path) -> None:
    other = PROVIDER.replace("abcdef", "abcde0").replace("oidc.secret", "/etc/oidc.secret")
    settings = load(write(tmp_path, PROVIDER + other), None, {})
    one, two = settings.identity.providers
    assert (one.client_id, one.scope, one.ca_file) == ("workpost", "openid profile", "")
    assert one.client_secret_file == str(tmp_path / "oidc.secret")
    assert two.client_secret_file == "/etc/oidc.secret"
    again = load(write(tmp_path, to_toml(settings)), None, {})
    assert again.identity == settings.identity


def test_the_environment_has_a_list_of_tables_in_json() -> None:
    (one,) = load(None, None, {"WORKPOST_IDENTITY__PROVIDERS": JSON}).identity.providers
    assert one.issuer == "https://id.example"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PROVIDER.replace("https:", "http:"), "not https"),
        (PROVIDER.replace("https:", "ftp:"), "providers"),
        (PROVIDER.replace("id.example", "[id.example"), "providers"),
        (PROVIDER + PROVIDER, "twice"),
        (PROVIDER.replace("account", "acount"), "acount"),
        (PROVIDER.replace("ssoins-1", "ins"), "instance_arn"),
        ('[identity]\nproviders = "x"', "providers"),
        ("[identity]\nproviders = [5]", "providers"),
        (PROVIDER + 'scope = "profile"', "scope"),
    ],
)
def test_providers_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        load(write(tmp_path, text), None, {})
    assert "\n" not in str(caught.value)


def test_an_issuer_on_loopback_needs_no_tls(tmp_path: Path) -> None:
    load(write(tmp_path, PROVIDER.replace("https://id.example", "http://127.0.0.1:8080")), None, {})
    with pytest.raises(SettingsError, match="JSON"):
        load(None, None, {"WORKPOST_IDENTITY__PROVIDERS": "x"})
