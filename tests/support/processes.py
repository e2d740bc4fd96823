"""Commands and conditions, for the measurements and the chaos; never a shell."""
import shlex
import subprocess
import time


class Failed(Exception):
    pass


def run(*command, env=None, check=True):
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise Failed(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wait_for(condition, what, seconds=60, every=0.02):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(every)
    raise Failed(f"waited {seconds} s in vain for {what}")
