"""The servers of a measurement, and the programs that run on them; never measures."""
import json
import os
import shlex
import shutil
import subprocess
import tempfile

from processes import Failed, run, wait_for


def cpu_seconds(pid):
    """User and system time that a process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Relay:
    """A relay process from its lead to its end."""

    def __init__(self, stage, *flags):
        self.stage = stage
        before = int(stage.sql("SELECT coalesce(max(epoch), 0) FROM postbus.leadership"))
        self.log = open(os.path.join(stage.directory, "relay.log"), "ab")
        self.process = subprocess.Popen(
            [stage.binary("postbus"), "relay", "--database", stage.database, "--brokers", stage.brokers, *stage.relay_flags, *flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.backend = int(wait_for(
            lambda: stage.sql(f"SELECT backend FROM postbus.leadership WHERE epoch > {before} ORDER BY epoch DESC LIMIT 1"),
            "a relay to take the lead"))

    def cpu(self):
        """CPU seconds of the process and of its session's backend."""
        return cpu_seconds(self.process.pid), cpu_seconds(self.backend)

    def peak_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

    def wait_drained(self, seconds=600):
        """Until everything committed is published, and recorded so. backlog() counts all that is pending: while the relay gets on, it is not asked, since
        on the same processors it would slow down what is measured."""
        last = int(self.stage.sql("SELECT last_value FROM postbus.outbox_id_seq"))
        self.stage.sql("SELECT pg_current_xact_id()")  # so that the next snapshot is a later one
        before = None

        def drained():
            nonlocal before
            n, floor_id = map(int, self.stage.sql("SELECT n, floor_id FROM postbus.current_progress").split("|"))
            gets_on, before = n != before, n
            return floor_id >= last or (not gets_on and self.stage.sql("SELECT pending = 0 FROM postbus.backlog()") == "t")

        wait_for(drained, "the relay to publish everything", seconds, 0.25)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.log.close()
        if code != 0:
            raise Failed(f"the relay ended with {code}: {self.stage.directory}/relay.log")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Stage:
    """A PostgreSQL and a Kafka in a directory of their own, migrated; a context manager that stops both."""

    def __init__(self, root, options):
        self.build = os.path.abspath(options.build)
        self.support = os.path.join(root, "tests", "support")
        self.relay_flags = options.relay
        self.settings = ["shared_buffers=1GB", "max_wal_size=16GB", "checkpoint_timeout=1h", *options.pg_set]
        self.directory = None

    def binary(self, name):
        return os.path.join(self.build, name)

    def __enter__(self):
        for name in ("postbus", "postbus_bench"):
            if not os.access(self.binary(name), os.X_OK):
                raise SystemExit(f"bench: {self.binary(name)} is missing: build first, or name the build with --build")
        self.directory = tempfile.mkdtemp(prefix="postbus-bench.", dir=os.environ.get("TMPDIR", "/tmp"))
        os.chmod(self.directory, 0o755)
        try:
            self.start()
        except BaseException:
            self.__exit__(None)
            raise
        return self

    def start(self):
        env = self.support_call("pg-cluster", "start", "pg", settings=self.settings)
        self.database, self.pg_bin = env["POSTBUS_DATABASE"], env["POSTBUS_PG_BIN"]
        self.first_database = self.database
        self.env = dict(os.environ, PGHOST=env["POSTBUS_PG_SOCKET"], PGPORT=env["POSTBUS_PG_PORT"], PGUSER="postgres",
                        PGDATABASE="postgres")
        self.brokers = self.support_call("kafka-broker", "start", "kafka")["POSTBUS_BROKERS"]
        run(self.binary("postbus"), "migrate", "--database", self.database)
        self.sql("CREATE SCHEMA bench; CREATE TABLE bench.progress_at_start AS SELECT * FROM postbus.progress")

    def support_call(self, program, command, name, settings=()):
        extra = [word for s in settings for word in ("--set", s)]
        said = run(os.path.join(self.support, program), command, os.path.join(self.directory, name), *extra)
        return dict(word.split("=", 1) for word in shlex.split(said.replace("\n", " ")))

    def __exit__(self, *_):
        for program, name in (("kafka-broker", "kafka"), ("pg-cluster", "pg")):
            run(os.path.join(self.support, program), "stop", os.path.join(self.directory, name), check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def versions(self):
        with open(os.path.join(self.directory, "kafka", "version"), encoding="ascii") as version:
            kafka = version.read().strip()
        return {"postgresql": self.sql("SHOW server_version"), "kafka": kafka, "settings": self.settings}

    def sql(self, text):
        return run(os.path.join(self.pg_bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text, env=self.env).strip()

    def bench(self, command, *flags, options=""):
        """options: of its sessions, as in PGOPTIONS."""
        said = run(self.binary("postbus_bench"), command, "--database", self.database, "--brokers", self.brokers, *flags,
                   env={**os.environ, "PGOPTIONS": options})
        return json.loads(said) if said.strip() else None

    def pgbench(self, script, clients, *flags):
        """Transactions a second of a script, which lies in a file for pgbench."""
        path = os.path.join(self.directory, "transaction.sql")
        with open(path, "w", encoding="utf-8") as out:
            out.write(script)
        pgbench = os.path.join(self.pg_bin, "pgbench")
        said = run(pgbench if os.path.exists(pgbench) else "pgbench", "-n", "-M", "prepared", "-f", path, "-c", str(clients), "-j",
                   str(min(clients, os.cpu_count() or 1)), *flags, env=self.env)
        return float(next(line for line in said.splitlines() if line.startswith("tps =")).split()[2])

    def topic(self, name, partitions=8, config=()):
        extra = [word for setting in config for word in ("--config", setting)]
        self.bench("topic-create", "--topic", name, "--partitions", str(partitions), *extra)
        return name

    def drop_topic(self, name):
        self.bench("topic-delete", "--topic", name)

    def relay(self, *flags):
        return Relay(self, *flags)

    def use(self, name):
        """From now on a database with an outbox of its own, made at its first use; None: the first one again."""
        if name and self.sql(f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == "0":
            self.sql(f"CREATE DATABASE {name}")
            run(self.binary("postbus"), "migrate", "--database", f"{self.first_database} dbname={name}")
        self.database = f"{self.first_database} dbname={name}" if name else self.first_database
        self.env["PGDATABASE"] = name or "postgres"

    def dead_rows(self):
        """As pg_stat_user_tables counts them, in what grows with events."""
        return int(self.sql(r"""SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables
            WHERE schemaname = 'postbus' AND relname ~ '^(outbox|receipt|progress)'"""))

    def rewind(self):
        """The relay's memory as it was before the first event. No relay may run."""
        self.sql("""TRUNCATE postbus.progress, postbus.receipt, postbus.parked, postbus.wish;
            DO $$ DECLARE columns text; BEGIN
                SELECT string_agg(quote_ident(attname), ', ') INTO columns FROM pg_attribute
                 WHERE attrelid = 'postbus.progress'::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '';
                EXECUTE format('INSERT INTO postbus.progress (%s) SELECT %s FROM bench.progress_at_start', columns, columns);
            END $$""")

    def empty(self):
        """No event, and nothing remembered of any."""
        self.sql("TRUNCATE postbus.outbox RESTART IDENTITY")
        self.rewind()

    def fill(self, rows, topic):
        """A backlog of small events: 200 bytes of JSON-like text, a thousand keys, committed 10,000 at a time."""
        for start in range(0, rows, 10_000 if rows < 100_000 else 100_000):
            n = min(rows - start, 10_000 if rows < 100_000 else 100_000)
            self.sql(f"""SET postbus.ring = off; INSERT INTO postbus.outbox (topic, key, value)
                SELECT '{topic}', convert_to('k' || (random() * 999)::int, 'UTF8'),
                       convert_to(rpad(format('{{"order": %s, "digest": "%s", "amount": %s, "note": "', i, md5(i::text),
                                              (random() * 100000)::int), 198, md5((i * 7)::text) || ' packed and sent ') || '"}}', 'UTF8')
                  FROM generate_series({start + 1}, {start + n}) i""")
        self.sql("VACUUM (ANALYZE, FREEZE off) postbus.outbox")
        self.sql("CHECKPOINT")
