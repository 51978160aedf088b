"""The real daemons that judge mail, each with rules for the tests only and none from outside."""

from __future__ import annotations

import abc
import shutil
import tempfile
from pathlib import Path

from tests.support.peers import require_peer
from tests.support.processes import Peer, accepts, dying_with_us, free_port

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""What every scanner takes for a virus, in two pieces, so that this file is not taken for one."""
JUNK_WORD = "nonsuchofferword"
"""In a subject: junk to both scorers."""
GRAY_WORD = "perhapsofferword"
"""In a subject: rspamd would rather see it again later."""

RSPAMD_CONFIGURATION = """
options {{
  pidfile = "{folder}/pid"; tempdir = "{folder}"; filters = "regexp";
  cache_file = "{folder}/symbols.cache"; hs_cache_dir = "{folder}/";
  control_socket = "{folder}/control.sock mode=0600";
  history_file = "{folder}/history"; stats_file = "{folder}/stats"; url_tld = "{folder}/tld";
  dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; }} task_timeout = 4s;
}}
logging {{ type = "console"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
lua = "{folder}/rules.lua";
"""
RSPAMD_RULES = f"""
config['regexp'] = {{
  JUNK_WORD = {{ re = 'Subject=/{JUNK_WORD}/i{{header}}', score = 8.0, group = 'test' }},
  GRAY_WORD = {{ re = 'Subject=/{GRAY_WORD}/i{{header}}', score = 4.5, group = 'test' }},
}}
"""
SPAMASSASSIN_RULES = f"""
header JUNK_WORD Subject =~ /{JUNK_WORD}/i
score JUNK_WORD 7.5
header FROM_STRANGER X-Spam-Relays-Untrusted =~ /ip=192\\.0\\.2\\.66/
score FROM_STRANGER 1.5
required_score 5
use_bayes 0
"""


class Daemon(abc.ABC):
    """One daemon on loopback; `stop` and `start` keep its port."""

    program = ""

    def __init__(self) -> None:
        self._path = require_peer(self.program)
        self._folder = Path(tempfile.mkdtemp(prefix=f"wp-{self.program}-"))
        self._folder.chmod(0o755)
        self.port = free_port()
        self._command = self._configure()
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @abc.abstractmethod
    def _configure(self) -> list[str]: ...

    def start(self) -> None:
        """Start it and wait until it accepts."""
        command = dying_with_us([self._path, *self._command])
        self._peer = Peer(self.program, command, self._folder / "log")
        self._peer.wait_until(lambda: accepts(self.port))

    def stop(self) -> None:
        self._peer.stop()

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class Clamd(Daemon):
    """clamd that knows one signature."""

    program = "clamd"

    def _configure(self) -> list[str]:
        signatures = self._folder / "signatures"
        signatures.mkdir()
        (signatures / "tests.ndb").write_text(f"Eicar-Test:0:*:{EICAR.hex()}\n")
        configuration = self._folder / "clamd.conf"
        configuration.write_text(
            f"DatabaseDirectory {signatures}\nTCPSocket {self.port}\nTCPAddr 127.0.0.1\n"
            f"Foreground yes\nTemporaryDirectory {self._folder}\nUser root\nMaxThreads 4\n"
            "StreamMaxLength 2M\n"
        )
        return [f"--config-file={configuration}"]


class Spamd(Daemon):
    """spamd with two rules and without DNS."""

    program = "spamd"

    def _configure(self) -> list[str]:
        rules = self._folder / "rules"
        site = self._folder / "site"
        rules.mkdir()
        site.mkdir()
        (rules / "init.pre").write_text("loadplugin Mail::SpamAssassin::Plugin::Check\n")
        (rules / "tests.cf").write_text(SPAMASSASSIN_RULES)
        (site / "local.cf").touch()
        return [
            *("-x", "-L", "--listen", self.address, "--max-children", "1", "--min-children", "1"),
            *("-C", str(rules), f"--siteconfigpath={site}", "--username=nobody"),
            *(f"--helper-home-dir={self._folder}", "--nouser-config", "-s", "stderr"),
        ]


class Rspamd(Daemon):
    """rspamd's normal worker with two rules."""

    program = "rspamd"

    def _configure(self) -> list[str]:
        configuration = self._folder / "rspamd.conf"
        configuration.write_text(RSPAMD_CONFIGURATION.format(folder=self._folder, port=self.port))
        (self._folder / "tld").write_text("test\nexample\n")
        (self._folder / "rules.lua").write_text(RSPAMD_RULES)
        return ["-f", "-i", "-c", str(configuration), f"--var=DBDIR={self._folder}"]
