"""docker-compose.yml and the Dockerfile say what the tests were run with, and keep the password out of sight.

usage: test_compose.py SOURCE-TREE POSTBUS
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    print("skipped: no Python module yaml (Debian: python3-yaml)")
    sys.exit(77)

ROOT, POSTBUS = pathlib.Path(sys.argv[1]), sys.argv[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
KAFKA_SCRIPT = (ROOT / "tests/support/kafka-broker").read_text()
PG_SCRIPT = (ROOT / "tests/support/pg-cluster").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
# What differs because the containers have names and ports of their own.
PLACE = {"node.id", "controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs",
         "inter.broker.listener.name", "listener.security.protocol.map"}


class Compose(unittest.TestCase):
    def test_kafka_is_the_version_of_the_tests(self):
        tested = re.search(r"^default_version=(\S+)$", KAFKA_SCRIPT, re.M).group(1)
        self.assertEqual(SERVICES["kafka"]["image"], f"apache/kafka:{tested}")

    def test_kafka_is_configured_as_in_the_tests(self):
        tested = dict(re.findall(r"^([a-z.]+)=(\S+)$", KAFKA_SCRIPT.split("<<EOF")[1].split("\nEOF")[0], re.M))
        tested = {name: value.replace("$6", "1") for name, value in tested.items()}  # replicas: one, of one broker
        given = {name.removeprefix("KAFKA_").lower().replace("_", "."): value
                 for name, value in SERVICES["kafka"]["environment"].items() if name != "KAFKA_HEAP_OPTS"}
        for name, value in given.items():
            if name not in PLACE:
                self.assertEqual(value, tested.get(name), name)
        self.assertEqual(given["auto.create.topics.enable"], "false")
        for option in SERVICES["kafka"]["environment"]["KAFKA_HEAP_OPTS"].split():
            self.assertIn(option, KAFKA_SCRIPT)

    def test_postgres_is_debian_12s_major_version_and_configured_as_in_the_tests(self):
        self.assertEqual(SERVICES["postgres"]["image"], "postgres:15-bookworm")
        for setting in SERVICES["postgres"]["command"][2::2]:
            name, value = setting.split("=")
            self.assertRegex(PG_SCRIPT, rf"(?m)^{name} = {value}$")

    def test_services_wait_for_what_they_need(self):
        for name, service in SERVICES.items():
            for needed, how in service.get("depends_on", {}).items():
                self.assertIn(needed, SERVICES, name)
                if how["condition"] == "service_healthy":
                    self.assertIn("healthcheck", SERVICES[needed])
        self.assertIn("healthcheck", SERVICES["relay"])
        self.assertEqual(SERVICES["relay"]["depends_on"]["migrate"]["condition"], "service_completed_successfully")

    def test_no_password_is_in_clear(self):
        for name, service in SERVICES.items():
            for variable, value in service["environment"].items():
                if "PASSWORD" in variable:
                    self.assertTrue(variable.endswith("_FILE"), f"{name}: {variable}")
                    secret = pathlib.PurePath(value).name
                    self.assertIn(secret, service["secrets"])
                    self.assertIn(secret, COMPOSE["secrets"])
                self.assertNotIn("password=", str(value))
        for secret in COMPOSE["secrets"].values():
            for ignore in (".gitignore", ".dockerignore"):
                self.assertIn(pathlib.PurePath(secret["file"]).name, (ROOT / ignore).read_text().split())

    def test_ports_are_open_to_this_machine_only(self):
        for service in SERVICES.values():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_the_relay_takes_its_settings(self):
        settings = {name: value for name, value in SERVICES["relay"]["environment"].items()
                    if name != "POSTBUS_PASSWORD_FILE"}
        shown = subprocess.run([POSTBUS, *SERVICES["relay"]["command"], "--check-config"], env=settings, text=True,
                               capture_output=True, stdin=subprocess.DEVNULL)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        for name in settings:
            self.assertIn(name, shown.stdout)

    def test_the_relay_has_time_to_stop(self):
        shown = subprocess.run([POSTBUS, "relay", "--check-config"], text=True, capture_output=True,
                               env=SERVICES["relay"]["environment"] | {"POSTBUS_PASSWORD_FILE": ""}, stdin=subprocess.DEVNULL)
        timeout_ms = int(re.search(r"shutdown_timeout_ms\s*=\s*\"?(\d+)", shown.stdout + shown.stderr).group(1))
        ends_whatever_hangs_ms = timeout_ms + 10000
        self.assertGreater(int(SERVICES["relay"]["stop_grace_period"].rstrip("s")) * 1000, ends_whatever_hangs_ms)

    def test_what_is_built_here_is_not_asked_of_a_registry(self):
        built = {service["image"] for service in SERVICES.values() if "build" in service}
        for name, service in SERVICES.items():
            if service["image"] in built and "build" not in service:
                self.assertEqual(service.get("pull_policy"), "never", name)


class Image(unittest.TestCase):
    def test_what_is_copied_exists(self):
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M):
            for source in sources.split():
                self.assertTrue((ROOT / source).exists(), source)

    def test_the_libraries_of_the_program_are_installed(self):
        needed = subprocess.run(["objdump", "-p", POSTBUS], text=True, capture_output=True, check=True).stdout
        packages = {"libpq": "libpq5", "librdkafka": "librdkafka1", "libjansson": "libjansson4", "libconfuse": "libconfuse2",
                    "libpopt": "libpopt0", "libmicrohttpd": "libmicrohttpd12", "libavro": "libavro23",
                    "libcurl": "libcurl4", "libcrypto": "libssl3"}
        system = {"libc", "libpthread", "libm", "libasan", "libubsan", "libtsan"}
        for library in set(re.findall(r"NEEDED\s+(\w+)\.so", needed)) - system:
            self.assertIn(packages[library], DOCKERFILE.split())

    def run_entrypoint(self, folder, secret):
        program = pathlib.Path(folder, "postbus")
        program.write_text('#!/bin/sh\nls -l "$PGPASSFILE" | cut -c 1-10; cat "$PGPASSFILE"; echo "$@"\n')
        program.chmod(0o755)
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "POSTBUS_PASSWORD_FILE": str(secret), "TMPDIR": folder}
        return subprocess.run([ROOT / "docker/entrypoint", "relay", "--x"], env=environment, text=True, capture_output=True)

    def test_a_password_reaches_libpq_as_it_is_and_lies_in_one_place(self):
        with tempfile.TemporaryDirectory() as folder:
            secret = pathlib.Path(folder, "secret")
            secret.write_text("a:b\\c'd \"e\n")
            for _ in range(3):
                said = self.run_entrypoint(folder, secret)
                self.assertEqual(said.stdout, "-rw-------\n*:*:*:*:a\\:b\\\\c'd \"e\nrelay --x\n", said.stderr)
            self.assertEqual(len(list(pathlib.Path(folder).iterdir())), 3)  # the secret, the program, the password file

    def test_without_its_password_nothing_is_run(self):
        with tempfile.TemporaryDirectory() as folder:
            secret = pathlib.Path(folder, "secret")
            for _ in range(2):  # there is none; then it is empty
                said = self.run_entrypoint(folder, secret)
                self.assertEqual((said.returncode, said.stdout), (2, ""))
                self.assertIn(str(secret), said.stderr)
                secret.write_text("")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
