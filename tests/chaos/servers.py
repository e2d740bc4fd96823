"""The processes of a chaos run: servers, relays, the load, a pooler, proxies. Each dies with this process; none is ever disturbed here unasked."""
import json
import os
import signal
import socket
import subprocess

import psycopg2

from processes import Failed, run, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SUPPORT = os.path.join(ROOT, "tests", "support")
CLUSTER_SETTINGS = ["default.replication.factor=3", "min.insync.replicas=2", "controller.quorum.fetch.timeout.ms=1000",
                    "controller.quorum.election.timeout.ms=500", "replica.lag.time.max.ms=3000"]
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def free_ports(n):
    """Ports below the range that outgoing connections draw from, so that a server which was killed gets its own again."""
    found = []
    for port in range(15000 + os.getpid() * 37 % 16000, 32000):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == n:
            return found
    raise Failed("no free ports")


class Process:
    """A child in the foreground, with its output in a file."""

    def __init__(self, log_path):
        self.log_path = log_path
        self.child = None

    def spawn(self, *command, env=None, **popen):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=popen.pop("stdin", subprocess.DEVNULL),
                                          stdout=popen.pop("stdout", log), stderr=log, env=dict(os.environ, **(env or {})),
                                          start_new_session=True, **popen)

    def running(self):
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def kill(self):
        self.end(signal.SIGKILL)

    def end(self, number, seconds=30):
        """Its exit code; None where it did not run. What does not end in time is killed."""
        if self.child is None:
            return None
        self.signal(number)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()

    def log_tail(self, n=5):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-n:]).strip()


class Clock:
    """The wall clock of a process, which can be stepped while it runs; monotonic clocks stay what they are."""

    def __init__(self, path):
        self.path = path
        self.step(0)
        self.env = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": path, "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def step(self, seconds):
        with open(self.path + ".new", "w", encoding="ascii") as out:
            out.write(f"{seconds:+d}\n")
        os.chmod(self.path + ".new", 0o644)
        os.replace(self.path + ".new", self.path)


class Postgres(Process):
    def __init__(self, directory, settings=(), env=None):
        super().__init__(directory + ".log")
        self.directory = directory
        self.env = env or {}
        self.arguments = [word for s in settings for word in ("--set", s)]

    def begin(self):
        self.spawn(os.path.join(SUPPORT, "pg-cluster"), "run", self.directory, *self.arguments, env=self.env)

    def start(self, seconds=60):
        self.begin()
        self.wait_serving(seconds)

    def serves(self):
        if not self.running():
            raise Failed(f"PostgreSQL ended: {self.log_tail()}")
        try:
            psycopg2.connect(self.conninfo("postgres")).close()
            return True
        except (psycopg2.Error, OSError):
            return False

    def wait_serving(self, seconds=60):
        wait_for(self.serves, "PostgreSQL to serve", seconds, 0.01)

    def port(self):
        with open(os.path.join(self.directory, "port"), encoding="ascii") as port:
            return int(port.read())

    def conninfo(self, database):
        return f"host={self.directory} port={self.port()} user=postgres dbname={database}"

    def crash(self):
        """Immediate stop: no checkpoint, recovery at the next start."""
        self.end(signal.SIGQUIT)

    def stop(self):
        self.end(signal.SIGINT)

    def admin(self, sql, database="postgres"):
        conn = psycopg2.connect(self.conninfo(database))
        conn.autocommit = True
        try:
            with conn.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else None
        finally:
            conn.close()


class Standby(Postgres):
    """A streaming standby of another server."""

    def __init__(self, directory, of, settings=()):
        super().__init__(directory, settings)
        run(os.path.join(SUPPORT, "pg-cluster"), "standby", directory, "--of", of.directory, *self.arguments)


class Broker(Process):
    def __init__(self, directory, settings=(), listeners=(), env=None):
        super().__init__(directory + ".log")
        self.directory = directory
        self.env = env or {}
        self.arguments = [word for s in settings for word in ("--set", s)] + [word for x in listeners for word in ("--listener", x)]

    def begin(self):
        self.said = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        self.spawn(os.path.join(SUPPORT, "kafka-broker"), "run", self.directory, *self.arguments, env=self.env)

    def serves(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self.said)
            text = log.read()
        if "Kafka Server started" in text:
            return True
        if not self.running():
            raise Failed(f"a broker ended: {self.log_tail()}")
        return False

    def start(self):
        self.begin()
        wait_for(self.serves, "a broker to serve", 90, 0.02)

    def stop(self):
        self.end(signal.SIGTERM)

    def address(self, listener=None):
        name = "brokers" + (f".{listener}" if listener else "")
        with open(os.path.join(self.directory, name), encoding="ascii") as file:
            return file.read().strip()


class Kafka:
    """One broker, or several that are one cluster."""

    def __init__(self, directory, n=1, settings=(), listeners=(), env=None):
        self.n_copies = n
        if n == 1:
            self.brokers = [Broker(directory, settings, listeners, env)]
            return
        words = [word for s in [*CLUSTER_SETTINGS, *settings] for word in ("--set", s)]
        run(os.path.join(SUPPORT, "kafka-broker"), "prepare", directory, "--nodes", str(n), *words)
        self.brokers = [Broker(os.path.join(directory, str(i + 1))) for i in range(n)]

    def begin(self, brokers=None):
        for broker in self.brokers if brokers is None else brokers:
            broker.begin()

    def wait_serving(self, brokers=None):
        for broker in self.brokers if brokers is None else brokers:
            wait_for(broker.serves, "a broker to serve", 90, 0.02)

    def start(self):
        self.begin()
        self.wait_serving()
        self.addresses = ",".join(broker.address() for broker in self.brokers)

    def stop(self):
        for broker in self.brokers:
            broker.signal(signal.SIGTERM)
        for broker in self.brokers:
            broker.stop()

    def kill(self):
        for broker in self.brokers:
            broker.kill()


class Relay(Process):
    """`postbus relay`, with every line of its log at hand."""

    def __init__(self, build, log_path, database, brokers, flags=(), env=None):
        super().__init__(log_path)
        self.command = [os.path.join(build, "postbus"), "relay", "--database", database, "--brokers", brokers, *flags]
        self.env = env or {}
        self.offset = 0

    def start(self, wrapper=()):
        self.spawn(*wrapper, *self.command, env=self.env)

    def log_lines(self):
        """Lines since the last call, as words: level, time, event, pairs."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self.offset)
            text = log.read()
            whole = text.rfind("\n") + 1
            self.offset += len(text[:whole].encode("utf-8", errors="replace"))
        return [line.split(" ", 3) for line in text[:whole].splitlines()]

    def kill(self):
        """It stays dead until it is started."""
        super().kill()
        self.child = None

    def stop(self):
        code = self.end(signal.SIGTERM)
        self.child = None
        return code


class Load(Process):
    """The writers; a new process, after a kill, goes on with tokens of its own."""

    def __init__(self, build, log_path, arguments):
        super().__init__(log_path)
        self.binary = os.path.join(build, "postbus_chaos")
        self.arguments = arguments
        self.generation = 0
        self.totals = {"committed": 0, "rolled_back": 0, "failed": 0, "reconnects": 0}

    def start(self):
        self.spawn(self.binary, "load", *self.arguments, "--generation", str(self.generation), stdout=subprocess.PIPE, text=True)
        self.generation += 1

    def stop(self):
        if self.child is None:
            return
        self.signal(signal.SIGTERM)
        try:
            said, _ = self.child.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            said, _ = self.child.communicate()
        for name, n in json.loads(said or "{}").items():
            self.totals[name] += n
        self.child = None

    def kill(self):
        super().kill()
        if self.child:
            self.child.stdout.close()
            self.child = None


class Pgbouncer(Process):
    """A transaction pooler in front of a server."""

    def __init__(self, directory, postgres):
        os.makedirs(directory, exist_ok=True)
        super().__init__(os.path.join(directory, "log"))
        self.port = free_ports(1)[0]
        self.path = os.path.join(directory, "pgbouncer.ini")
        with open(self.path, "w", encoding="ascii") as out:
            out.write(f"[databases]\n* = host={postgres.directory} port={postgres.port()}\n"
                      f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
                      "pool_mode = transaction\ndefault_pool_size = 10\nmax_client_conn = 200\nignore_startup_parameters = extra_float_digits\n")
        for path in (directory, self.path):
            os.chmod(path, 0o755)

    def start(self):
        as_postgres = ("--reuid=postgres", "--regid=postgres", "--init-groups") if os.geteuid() == 0 else ()
        self.spawn("setpriv", *as_postgres, "--pdeathsig", "KILL", "pgbouncer", self.path)

    def conninfo(self, database, user="user=postgres"):
        return f"host=127.0.0.1 port={self.port} {user} dbname={database}"


class Proxy(Process):
    """A TCP proxy that can be told to cut, hold, delay and reset."""

    def __init__(self, build, log_path, aim=None):
        super().__init__(log_path)
        self.spawn(os.path.join(build, "postbus_net_proxy"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline())
        if aim:
            self.say(f"aim {aim}")

    def say(self, command):
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()
        said = self.child.stdout.readline().strip()
        if said != "ok":
            raise Failed(f"the proxy, told '{command}', says: {said}")

    def heal(self):
        self.say("heal")

