"""The servers that rows share, and the directory of a run; a context manager that leaves nothing running."""
import glob
import os
import shutil
import tempfile

from processes import run
from servers import Kafka, Postgres


class Stage:
    def __init__(self, build, keep=False):
        self.build = os.path.abspath(build)
        self.keep = keep
        self.directory = self.postgres = None
        self.kafkas = {}

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
            self.kafkas[n] = Kafka(os.path.join(self.directory, f"kafka{n}"), n)
        if not all(broker.running() for broker in self.kafkas[n].brokers):
            self.kafkas[n].start()
        return self.postgres, self.kafkas[n]

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
        for kafka in self.kafkas.values():
            kafka.kill()
        if self.postgres:
            self.postgres.crash()
        if self.keep:
            self.say(f"chaos: data and logs are in {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
