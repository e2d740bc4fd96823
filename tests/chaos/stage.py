"""The servers that rows share, and the directory of a run; a context manager that leaves nothing running."""
import glob
import os
import shutil
import subprocess
import tempfile

from processes import run
from servers import Kafka, Postgres, Proxy


class Stage:
    def __init__(self, build, keep=False, delivery="at_least_once"):
        self.build = os.path.abspath(build)
        self.keep = keep
        self.delivery = delivery  # of the relays, where a row says nothing else
        self.directory = self.postgres = self.subscribers_postgres = None
        self.kafkas = {}
        self.proxies = {}

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="postbus-chaos.", dir=os.environ.get("POSTBUS_TEST_TMP", "/tmp"))
        os.chmod(self.directory, 0o755)
        return self

    def say(self, text):
        print(text, flush=True)

    def servers(self, kind):
        """PostgreSQL and Kafka as a row needs them; only one Kafka runs at a time."""
        if kind == "own":
            return None, None
        if not self.postgres:
            self.postgres = Postgres(os.path.join(self.directory, "pg"), ["max_wal_size=4GB", "shared_buffers=256MB"])
            self.postgres.start()
        n = 3 if kind == "three" else 1
        for other, kafka in list(self.kafkas.items()):
            if other != n:
                kafka.kill()
        if n not in self.kafkas:
            listeners = [f"PROXY:PLAINTEXT:{self.proxy('kafka').port}"] if n == 1 else []
            self.kafkas[n] = Kafka(os.path.join(self.directory, f"kafka{n}"), n, listeners=listeners)
        if not all(broker.running() for broker in self.kafkas[n].brokers):
            self.kafkas[n].start()
        if n == 1:
            self.proxy("kafka").say("aim " + self.kafkas[n].brokers[0].address("PROXY").rsplit(":", 1)[1])
        return self.postgres, self.kafkas[n]

    def subscribers_server(self):
        """A PostgreSQL that is the subscribers' alone, as they may have one. It looks for deadlocks early: rows have many."""
        if not self.subscribers_postgres:
            self.subscribers_postgres = Postgres(os.path.join(self.directory, "pg-subscribers"), ["max_wal_size=4GB", "deadlock_timeout=50ms"])
        if not self.subscribers_postgres.running():
            self.subscribers_postgres.start()
        return self.subscribers_postgres

    def proxy(self, name):
        """The network before PostgreSQL or the one broker."""
        if name not in self.proxies:
            self.proxies[name] = Proxy(self.build, os.path.join(self.directory, f"proxy-{name}.log"))
        return self.proxies[name]

    def may_mount(self):
        """Whether file systems can be made here: a container often has not the right."""
        place = os.path.join(self.directory, "mount")
        os.makedirs(place, exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode != 0:
            return False
        run("umount", place)
        return True

    def versions(self):
        directory = os.environ.get("POSTBUS_TEST_PG_BIN")
        postgres = os.path.join(directory, "postgres") if directory else sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))[-1]
        said = run(postgres, "--version").split()
        kafka = glob.glob(os.path.join(self.directory, "**", "version"), recursive=True)
        with open(kafka[0], encoding="ascii") as version:
            return {"postgresql": said[2], "kafka": version.read().strip()}

    def rest(self):
        """Ends the servers that rows share, for a row that brings its own."""
        for kafka in self.kafkas.values():
            kafka.kill()

    def __exit__(self, kind, *_):
        for server in [*self.kafkas.values(), *self.proxies.values()]:
            server.kill()
        for postgres in (self.postgres, self.subscribers_postgres):
            if postgres:
                postgres.crash()
        if self.keep:
            self.say(f"chaos: data and logs are in {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
