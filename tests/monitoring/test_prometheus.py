#!/usr/bin/env python3
"""A real Prometheus scrapes real relays and a subscriber, with our rules loaded: it knows each metric, runs each query of the dashboards, and raises the
alarms when a relay dies and when events wait, and takes them back.

Usage: test_prometheus.py ROOT BUILD. Exit code 77: there is no Prometheus. Of the rules only the times of `for` are shortened."""
import ctypes
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import types
import urllib.error
import urllib.parse
import urllib.request

ROOT, BUILD = pathlib.Path(sys.argv[1]), sys.argv[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests" / room) for room in ("bench", "monitoring", "support")]

import check_monitoring  # noqa: E402
from processes import Failed, run, wait_for  # noqa: E402
from stage import Stage  # noqa: E402

SOON = 120
CONFIG = """global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: postbus-shop
    static_configs: [{targets: ["127.0.0.1:%d", "127.0.0.1:%d", "127.0.0.1:%d"]}]
"""


def dies_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Served:
    """A relay or a subscriber that serves /metrics at a port of its own choice."""

    def __init__(self, stage, name, command, *flags):
        self.log = pathlib.Path(stage.directory, name + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [stage.binary("postbus"), command, "--database", stage.database, "--brokers", stage.brokers, "--http-listen", "0", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=dies_with_us)
        self.port = int(self.wait_log(r"http\.listening address=127\.0\.0\.1:(\d+)"))

    def wait_log(self, pattern):
        found = wait_for(lambda: re.search(pattern, self.log.read_text()), f"{pattern} in {self.log}", SOON)
        return found[found.re.groups]

    def kill(self):
        self.process.kill()
        self.process.wait()


class Prometheus:
    def __init__(self, stage, binaries, ports):
        home = pathlib.Path(stage.directory, "prometheus")
        home.mkdir()
        rules = (ROOT / "docs/monitoring/postbus-alerts.yml").read_text()
        (home / "rules.yml").write_text(re.sub(r"^( +for:) .*$", r"\1 2s", rules, flags=re.M))
        (home / "prometheus.yml").write_text(CONFIG % tuple(ports))
        subprocess.run([binaries + "/promtool", "check", "config", home / "prometheus.yml"], check=True, capture_output=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.at = "127.0.0.1:%d" % free.getsockname()[1]
        self.log = open(home / "log", "wb")
        self.process = subprocess.Popen(
            [binaries + "/prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
             f"--web.listen-address={self.at}"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=dies_with_us)

    def ask(self, path, **parameters):
        """What the HTTP API answers, or None while it does not."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://{self.at}/api/v1/{path}?{query}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                return None
            raise Failed(f"Prometheus refuses {parameters}: {error.read().decode()}") from error
        except OSError:
            return None

    def results(self, expression):
        data = self.ask("query", query=expression)
        return data["result"] if data else []

    def rules(self):
        data = self.ask("rules")
        return [rule for group in data["groups"] for rule in group["rules"]] if data else []

    def firing(self):
        return {alert["labels"]["alertname"] for alert in (self.ask("alerts") or {"alerts": []})["alerts"] if alert["state"] == "firing"}

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def expect_rules_evaluated(prometheus):
    asked = len(re.findall(r"^ +- alert: ", (ROOT / "docs/monitoring/postbus-alerts.yml").read_text(), re.M))
    wait_for(lambda: len([r for r in prometheus.rules() if r["health"] == "ok"]) == asked, f"{asked} rules to be evaluated without an error", SOON)


def expect_metrics_known(prometheus):
    """Each family of the reference pages; the dashboards and the rules ask for no other (check_monitoring.py)."""
    names = {name for page in check_monitoring.PAGES for name in check_monitoring.samples((ROOT / page).read_text())}
    for name in sorted(names):
        wait_for(lambda name=name: prometheus.results(f'count({{__name__="{name}",job="postbus-shop"}})'), f"Prometheus to know {name}", SOON)


def expect_dashboard_answered(prometheus, path):
    """Each panel has something to show; annotations need only be understood."""
    dashboard = json.loads((ROOT / path).read_text())
    notes = {note["name"] for note in dashboard["annotations"]["list"]}
    for title, expression in check_monitoring.expressions(dashboard):
        query = re.sub(r"\$(job|database|application|subscription)\b", ".*", expression).replace("$__rate_interval", "10s")
        wait_for(lambda q=query, t=title: prometheus.results(q) or t in notes, f"an answer to {query} for '{title}'", SOON)


def expect_stages_told(prometheus):
    """Events' ways have been timed from stage to stage, also from INSERT to the relay."""
    for stage in ("relay", "consume", "arrive", "handle"):
        told = f"postbus_subscriber_{stage}_latency_seconds_count > 0"
        wait_for(lambda told=told: prometheus.results(told), told, SOON)


def expect_firing(prometheus, *wanted):
    wait_for(lambda: set(wanted) <= prometheus.firing(), f"the alarms {wanted}", SOON)


def expect_quiet(prometheus, *but):
    try:
        wait_for(lambda: prometheus.firing() <= set(but), "quiet", SOON)
    except Failed as failed:
        raise Failed(f"alarms without a reason: {prometheus.firing() - set(but)}") from failed


def publish(stage, topic, n, age="0 s"):
    stage.sql(f"INSERT INTO postbus.outbox (topic, key, value, created_at) SELECT '{topic}', 'k', 'v', now() - '{age}'::interval "
              f"FROM generate_series(1, {n})")


def test(stage, binaries):
    stage.topic("orders", 1)
    run(stage.binary("postbus"), "migrate", "--subscriber", "--database", stage.database)
    told = ("--relayed-at-header", "relayed-at")
    leader = Served(stage, "a", "relay", "--relay-id", "a", *told)
    leader.wait_log("leader.elected")
    standby = Served(stage, "b", "relay", "--relay-id", "b", *told)
    subscriber = Served(stage, "c", "work", "--application", "shop", "--topics", "orders", "--exec", "true")
    prometheus = Prometheus(stage, binaries, [served.port for served in (leader, standby, subscriber)])
    try:
        publish(stage, "orders", 100)
        publish(stage, "nowhere.to.be.found", 3)
        expect_rules_evaluated(prometheus)
        expect_metrics_known(prometheus)
        for path in check_monitoring.DASHBOARDS:
            expect_dashboard_answered(prometheus, path)
        expect_stages_told(prometheus)
        expect_firing(prometheus, "PostbusParkedEvents")
        expect_quiet(prometheus, "PostbusParkedEvents")

        leader.kill()
        expect_firing(prometheus, "PostbusRelayGone")
        standby.wait_log("leader.elected")
        stage.support_call("kafka-broker", "kill", "kafka")
        publish(stage, "orders", 5, age="10 min")
        expect_firing(prometheus, "PostbusEventsWait", "PostbusNotReady")
        waiting = prometheus.results("max(postbus_backlog_oldest_age_seconds)")[0]["value"][1]
        if not float(waiting) >= 600:
            raise Failed(f"the oldest event is said to be {waiting} s old")

        stage.support_call("kafka-broker", "start", "kafka")
        expect_quiet(prometheus, "PostbusParkedEvents", "PostbusRelayGone", "PostbusPossibleDuplicates", "PostbusProducerFails")
    finally:
        prometheus.stop()
        for served in (leader, standby, subscriber):
            served.kill()


def main():
    found = subprocess.run([ROOT / "tests/support/prometheus-binaries"], stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0:
        return found.returncode
    with Stage(str(ROOT), types.SimpleNamespace(build=BUILD, relay=[], pg_set=[])) as stage:
        try:
            test(stage, found.stdout.strip())
        except Failed as failed:
            print(failed)
            for log in pathlib.Path(stage.directory).glob("*.log"):
                print(f"---- {log.name}", *log.read_text().splitlines()[-30:], sep="\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
