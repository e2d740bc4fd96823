"""The processes of a chaos run: servers, relays, the load, a pooler, proxies. Each dies with this process; none is ever disturbed here unasked."""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import urllib.request

import psycopg2

from processes import Failed, run, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SUPPORT = os.path.join(ROOT, "tests", "support")
CLUSTER_SETTINGS = ["default.replication.factor=3", "min.insync.replicas=2", "controller.quorum.fetch.timeout.ms=1000",
                    "controller.quorum.election.timeout.ms=500", "replica.lag.time.max.ms=3000"]
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
# The death signal must come after the change of user, which clears it.
AS_POSTGRES = ["setpriv", *(["--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []), "--pdeathsig", "KILL"]

next_port = 15000 + os.getpid() * 37 % 15000


def free_ports(n):
    """Ports below the range that outgoing connections draw from, so that a server which was killed gets its own again."""
    global next_port
    found = []
    for port in range(next_port, 32000):
        next_port = port + 1
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

    def spawn(self, *command, **popen):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=popen.pop("stdin", subprocess.DEVNULL),
                                          stdout=popen.pop("stdout", log), stderr=log, start_new_session=True, **popen)

    def running(self):
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def kill(self):
        self.end(signal.SIGKILL)

    def give_up(self):
        """The end, however it stands."""
        self.kill()

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
        finally:
            self.forget_clock()

    def forget_clock(self):
        """The shared memory of a faked clock outlives what had it."""
        for name in ("faketime_shm_", "sem.faketime_sem_"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"/dev/shm/{name}{self.child.pid}")

    def log_tail(self, n=5):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-n:]).strip()


class Clock:
    """The wall clock of a process, which can be stepped while it runs; monotonic clocks stay what they are."""

    def __init__(self, path):
        self.path = path
        self.step(0)

    def words(self, java=False):
        """What a command begins with that is to have it. Java's waits never end with faketime's fix of monotonic waits; those of others, without."""
        return ["env", "LD_PRELOAD=" + FAKETIME, "FAKETIME_TIMESTAMP_FILE=" + self.path, "FAKETIME_NO_CACHE=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1", *(["FAKETIME_FORCE_MONOTONIC_FIX=0"] if java else [])]

    def step(self, seconds):
        with open(self.path + ".new", "w", encoding="ascii") as out:
            out.write(f"{seconds:+d}\n")
        os.chmod(self.path + ".new", 0o644)
        os.replace(self.path + ".new", self.path)


class Postgres(Process):
    def __init__(self, directory, settings=(), clock=None):
        super().__init__(directory + ".log")
        self.directory = directory
        self.clock = clock
        self.arguments = [word for s in settings for word in ("--set", s)]

    def begin(self):
        cluster = os.path.join(SUPPORT, "pg-cluster")
        if not self.clock:
            self.spawn(cluster, "run", self.directory, *self.arguments)
            return
        # A faked clock is shared memory of the first process that has it: that must be PostgreSQL's user already.
        run(cluster, "init", self.directory, *self.arguments)
        self.spawn(*AS_POSTGRES, *self.clock.words(), cluster, "run", self.directory)

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

    def tcp_port(self):
        with open(os.path.join(self.directory, "port"), encoding="ascii") as port:
            return int(port.read())

    def conninfo(self, database):
        return f"host={self.directory} port={self.tcp_port()} user=postgres dbname={database}"

    def crash(self):
        """Immediate stop: no checkpoint, recovery at the next start."""
        self.end(signal.SIGQUIT)

    def give_up(self):
        self.crash()

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
    """A streaming standby of another server, which it follows through a port of its own."""

    def __init__(self, directory, of, port):
        super().__init__(directory)
        run(os.path.join(SUPPORT, "pg-cluster"), "standby", directory, "--of", of.directory)
        with open(os.path.join(directory, "data", "postgresql.conf"), "a", encoding="ascii") as out:
            out.write(f"primary_conninfo = 'host=127.0.0.1 port={port} user=postgres'\n")


class Broker(Process):
    def __init__(self, directory, settings=(), listeners=(), clock=None):
        super().__init__(directory + ".log")
        self.directory = directory
        self.clock = clock
        self.arguments = [word for s in settings for word in ("--set", s)] + [word for x in listeners for word in ("--listener", x)]

    def begin(self):
        self.said = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        self.spawn(*(self.clock.words(java=True) if self.clock else ()), os.path.join(SUPPORT, "kafka-broker"), "run", self.directory, *self.arguments)

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

    def address(self, listener=None):
        name = "brokers" + (f".{listener}" if listener else "")
        with open(os.path.join(self.directory, name), encoding="ascii") as file:
            return file.read().strip()


class Kafka:
    """One broker, or several that are one cluster."""

    def __init__(self, directory, n=1, settings=(), listeners=(), clock=None):
        self.n_copies = n
        if n == 1:
            self.brokers = [Broker(directory, settings, listeners, clock)]
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

    def kill(self):
        for broker in self.brokers:
            broker.kill()

    give_up = kill


class Relay(Process):
    """`postbus relay`, with every line of its log at hand."""

    def __init__(self, build, log_path, database, brokers, flags=()):
        super().__init__(log_path)
        self.port = free_ports(1)[0]
        self.command = [os.path.join(build, "postbus"), "relay", "--database", database, "--brokers", brokers, "--http-listen",
                        str(self.port), *flags]
        self.offset = 0
        self.last_words = ""
        self.possible_duplicates = self.of_past_lives = 0

    def start(self, wrapper=()):
        self.of_past_lives += self.possible_duplicates
        self.possible_duplicates = 0
        self.spawn(*wrapper, *self.command)

    def scrape(self):
        """Looks how many events it may have delivered and sends again, by what it says itself."""
        if not self.running():
            return
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=1) as answer:
                found = re.findall(rb"^postbus_possible_duplicates_total(?:\{.*?\})? (\d+)", answer.read(), re.M)
        except (OSError, http.client.HTTPException):
            return
        if found:
            self.possible_duplicates = sum(map(int, found))

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
            out.write(f"[databases]\n* = host={postgres.directory} port={postgres.tcp_port()} user=postgres\n"
                      f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
                      "pool_mode = transaction\ndefault_pool_size = 10\nmax_client_conn = 200\nignore_startup_parameters = extra_float_digits\n")
        for path in (directory, self.path):
            os.chmod(path, 0o755)

    def start(self):
        self.spawn(*AS_POSTGRES, "pgbouncer", self.path)

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

