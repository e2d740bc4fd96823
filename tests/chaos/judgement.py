"""Whether a row holds, from its figures alone; asks no server."""

LEAST_RATE = 50  # a second, outages included: where fewer committed, the load did not work
ALWAYS_ZERO = {"lost": "lost", "extra": "not committed and yet in a topic", "overtaken": "misordered within their key",
               "altered": "altered", "scattered": "in another partition than their key's", "ambiguous": "ambiguous: the load is at fault",
               "shared_ids": "under the event id of another"}
EFFECTS_ZERO = {"unhandled": "without an effect", "repeated": "beyond the first effect of an event", "foreign": "effects of what never committed",
                "altered": "effects under another key or topic", "misordered": "effects misordered within their key",
                "passed": "effects of events that should have waited behind one of their key", "dead_missing": "events that are not dead once, as they should be",
                "dead_unexpected": "dead letters that should not be, or not so"}


def failures_of_effects(effects):
    if not effects:
        return ["there is no verdict on the effects"]
    found = [f"{effects[name]} {what}" for name, what in EFFECTS_ZERO.items() if effects[name]]
    if effects["forgeries_caught"] < effects["forgeries"]:
        found.append(f"the verdict on the effects found {effects['forgeries_caught']} of {effects['forgeries']} forgeries")
    if not found and not effects["forgeries"]:
        found.append("the verdict on the effects was not tried with forgeries")
    return found


def late(result):
    """Records that a relay which was cut off had on its way, repeated after newer ones: at most what was in flight, where that can happen at all."""
    return min(result["verdict"]["broken_replay"], result["duplicates_bound"]) if result["stale_requests"] else 0


def misordered(result):
    """As tables and summaries say it."""
    verdict = result["verdict"]
    n_late = late(result)
    return f"{verdict['overtaken'] + verdict['broken_replay'] - n_late}" + (f" (and {n_late} repeated late)" if n_late else "")


def failures(result, check_times=True):
    """Sentences that say what did not hold; none: the row holds."""
    found = []
    verdict = result.get("verdict")
    if not verdict:
        return [result.get("error") or "there is no verdict"]
    if result.get("error"):
        found.append(result["error"])
    if result["transactions"] < LEAST_RATE * result["load_s"]:
        found.append(f"{result['transactions']} transactions in {result['load_s']} s were no load: the row proves nothing")
    if not result["strikes"]:
        found.append("the fault never struck: the row proves nothing")
    if result["subscribers"]:
        found += failures_of_effects(result.get("effects"))
    if result["duplicates_needed"] and not verdict["duplicates"]:
        found.append("no event is there twice: the row proves nothing")
    if result["losses_needed"] and not result["lost_effects"]:
        found.append("the subscribers' database lost no effect that it had shown: the row proves nothing")
    for name, what in ALWAYS_ZERO.items():
        if verdict[name]:
            found.append(f"{verdict[name]} events {what}")
    if verdict["broken_replay"] > late(result):
        found.append(f"{verdict['broken_replay']} records misordered: a repetition was broken off")
    if verdict["ghosts"] and not result["ghosts"]:
        found.append(f"{verdict['ghosts']} ghosts")
    if result["ghosts"] and not verdict["ghosts"]:
        found.append("nothing that was lost is in a topic: the row proves nothing")
    if verdict["duplicates"] > result["duplicates_bound"]:
        found.append(f"{verdict['duplicates']} duplicates, and at most {result['duplicates_bound']} events were in flight")
    if not result["drained"]:
        found.append("not everything was published" + (" and handled" if result["subscribers"] else "") + " in the end")
    if result["bad_exits"]:
        found.append(f"{result['bad_exits']} relays{' or subscribers' if result['subscribers'] else ''} ended badly")
    if verdict["forgeries_caught"] < verdict["forgeries"]:
        found.append(f"the verdict found {verdict['forgeries_caught']} of {verdict['forgeries']} forgeries")
    slow = [ms for ms in result["recoveries_ms"] if ms > result["bound_ms"]]
    if check_times and slow:
        found.append(f"{len(slow)} of {len(result['recoveries_ms'])} recoveries took longer than {result['bound_ms']} ms, the longest {max(slow)} ms")
    return found
