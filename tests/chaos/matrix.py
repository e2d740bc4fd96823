"""The rows in their order, and the run over them."""
import time

import faults_application
import faults_backlog
import faults_host
import faults_kafka
import faults_network
import faults_postgres
import faults_promotion
import faults_relay
import faults_subscriber
import judgement
from row import Row
from subscriber_row import SubscriberRow

RELAYS = [*faults_relay.FAULTS, *faults_application.FAULTS, *faults_postgres.FAULTS, *faults_kafka.FAULTS,
          *faults_network.FAULTS, *faults_host.FAULTS, *faults_backlog.FAULTS, *faults_promotion.FAULTS]
KINDS = {"relays": RELAYS, "subscribers": faults_subscriber.FAULTS}
FAULTS = [fault for kind in KINDS.values() for fault in kind]
ROW_OVERHEAD_S = 9  # servers, topics, drain and verdict of a row


def chosen(kind, names):
    unknown = sorted(set(names) - {fault.name for fault in FAULTS})
    if unknown:
        raise SystemExit(f"chaos: there is no fault {', '.join(unknown)}; there are {', '.join(fault.name for fault in FAULTS)}")
    return [fault for fault in FAULTS if fault.name in names] or KINDS[kind]


def run_rows(stage, faults, seed, seconds, check_times):
    """Each gets its share of what is left of the time; the results in the order of the rows."""
    until = time.monotonic() + seconds
    results = []
    for i, fault in enumerate(faults):
        left = until - time.monotonic() - ROW_OVERHEAD_S * (len(faults) - i)
        share = left * fault.share / sum(other.share for other in faults[i:])
        row_seconds = max(fault.least_s, share)
        if fault.needs_mount and not stage.may_mount():
            results.append({"name": fault.name, "what": fault.what, "skipped": "file systems may not be mounted here", "failures": []})
            stage.say(f"chaos: {fault.name} is left out: {results[-1]['skipped']}")
            continue
        stage.say(f"chaos: {fault.name}, {row_seconds:.0f} s, seed {seed}")
        result = (SubscriberRow if fault.n_members else Row)(stage, fault, seed, row_seconds).run()
        result["failures"] = judgement.failures(result, check_times)
        results.append(result)
        stage.say("  " + summary(result))
        for failure in result["failures"]:
            stage.say(f"  FAILED: {failure}")
    return results


def summary(result):
    v = result["verdict"]
    if not v:
        return "no verdict"
    times = sorted(result["recoveries_ms"]) or [0]
    return (f"{v['events']} events of {result.get('transactions', 0)} transactions ({result['transactions'] / max(result['load_s'], 1):.0f}/s), "
            f"struck {result['strikes']} times: lost {v['lost']}, extra {v['extra']}, misordered {judgement.misordered(result)}, "
            f"duplicates {v['duplicates']} of at most {result['duplicates_bound']} ({result['restarts']} restarts), recovered in "
            f"{times[len(times) // 2]} ms (median) to {times[-1]} ms" + summary_of_effects(result.get("effects")))


def summary_of_effects(e):
    if not e:
        return ""
    return (f"; effects {e['effects']}: missing {e['unhandled']}, repeated {e['repeated']} (and {e['repetitions']} allowed), "
            f"foreign {e['foreign'] + e['altered']}, misordered {e['misordered'] + e['passed']}, dead letters {e['dead']} of {e['poison']}, forgeries found {e['forgeries_caught']} of {e['forgeries']}")
