"""How long no relay publishes when the leader dies, stands still or is cut off: from the fault to the successor's first acknowledged record."""
import os
import signal
import subprocess

from processes import wait_for
from report import row

QUICK = ("killed (SIGKILL)", "stopped cleanly (SIGTERM)")
CASES = {
    "killed (SIGKILL)": lambda leader, _: leader.send_signal(signal.SIGKILL),
    "stopped cleanly (SIGTERM)": lambda leader, _: leader.send_signal(signal.SIGTERM),
    "stands still (SIGSTOP)": lambda leader, _: leader.send_signal(signal.SIGSTOP),
    "nothing it says reaches PostgreSQL": lambda _, net: net.tell("cut to_server"),
    "no answer of PostgreSQL reaches it": lambda _, net: net.tell("cut to_client"),
    "its network is gone": lambda _, net: net.tell("cut both"),
    "something between it and PostgreSQL hangs": lambda _, net: net.tell("hold both"),
}


class Net:
    """The tests' network that can be broken, before the server."""

    def __init__(self, stage):
        self.process = subprocess.Popen([stage.binary("postbus_net_proxy")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.tell(f"aim {stage.env['PGPORT']}")

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline().strip() != "ok":
            raise SystemExit(f"bench: the network does not understand: {line}")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def start(stage, name, database):
    log = os.path.join(stage.directory, name + ".log")
    with open(log, "wb") as out:
        process = subprocess.Popen([stage.binary("postbus"), "relay", "--database", database, "--brokers", stage.brokers, "--settle-ms=0",
                                    *stage.relay_flags], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    return process, log


def wait_for_line(log, text):
    def there():
        with open(log, encoding="utf-8") as lines:
            return text in lines.read()
    wait_for(there, f"{text} in {log}")


def publish(stage):
    stage.sql("SELECT postbus.publish('orders', 'one more', 'k')")


def is_settled(stage, epoch):
    return stage.sql(f"SELECT extract(epoch FROM min(at)) FROM postbus.progress WHERE epoch > {epoch} AND published > "
                     f"(SELECT max(published) FROM postbus.progress WHERE epoch <= {epoch})")


def once(stage, fault):
    """Seconds, by PostgreSQL's clock: the successor records its progress at once."""
    net = Net(stage)
    leader, leader_log = start(stage, "leader", f"host=127.0.0.1 port={net.port} user=postgres dbname=postgres")
    wait_for_line(leader_log, "leader.elected")
    publish(stage)
    wait_for(lambda: stage.sql("SELECT pending = 0 FROM postbus.backlog()") == "t", "the leader to publish")
    successor, successor_log = start(stage, "successor", stage.database)
    wait_for_line(successor_log, "leader.waiting")
    epoch = stage.sql("SELECT max(epoch) FROM postbus.leadership")
    at = float(stage.sql("SELECT extract(epoch FROM clock_timestamp())"))
    fault(leader, net)
    publish(stage)
    settled = float(wait_for(lambda: is_settled(stage, epoch), "the successor to publish", 60, 0.05))
    for process in (leader, successor):
        process.kill()
        process.wait()
    net.end()
    return settled - at


def measure(stage, options):
    stage.empty()
    stage.topic("orders")
    rows = []
    for name, fault in CASES.items():
        if options.quick and name not in QUICK:
            continue
        times = [once(stage, fault) for _ in range(options.rounds)]
        rows.append(row(f"{name}; {min(times):.2f} to {max(times):.2f}", times, None, "s", digits=2, goal=1 if name in QUICK else 15,
                        lower_is_better=True))
    stage.drop_topic("orders")
    stage.empty()
    return rows
