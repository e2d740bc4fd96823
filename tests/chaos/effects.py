"""What became of the effects of subscribers' handlers: compares them with what was committed. Asks no server, and knows none of the subscribers."""
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Optional


@dataclass(frozen=True)
class Event:
    """As it was committed."""
    token: int
    topic: str
    key: Optional[str]
    seq: Optional[int]  # its place among those of its key; None: it has none


@dataclass(frozen=True)
class Effect:
    """In the order in which they were written."""
    token: int
    topic: str
    key: Optional[str]
    at: float


@dataclass(frozen=True)
class DeadLetter:
    token: int
    attempts: int
    reason: str
    at: float


@dataclass(frozen=True)
class Evidence:
    events: tuple
    effects: tuple
    dead: tuple        # all dead letters that there ever were
    poison: frozenset  # tokens of events that must have died, once each, and were redriven
    attempts: int      # after so many attempts
    repeats: str = "never"  # which repetitions are promised to be none: fault.py


def verdict(evidence):
    events = {event.token: event for event in evidence.events}
    counts = Counter(effect.token for effect in evidence.effects)
    ordered = [e for e in evidence.effects if e.token in events and events[e.token].seq is not None and e.token not in evidence.poison]
    died = Counter(letter.token for letter in evidence.dead)
    again = sum(n - 1 for n in counts.values())
    allowed = evidence.repeats != "never"
    order = broken_stretches if evidence.repeats == "stretch" else misordered
    healthy = {token: event for token, event in events.items() if token not in evidence.poison}
    return {"events": len(events), "effects": len(evidence.effects), "poison": len(evidence.poison), "dead": len(evidence.dead),
            "unhandled": sum(token not in counts for token in events), "repeated": 0 if allowed else again,
            "repetitions": again if allowed else 0,
            "foreign": sum(effect.token not in events for effect in evidence.effects),
            "altered": sum(e.token in events and (e.topic, e.key) != (events[e.token].topic, events[e.token].key) for e in evidence.effects),
            "misordered": order(healthy, ordered), "passed": passed(events, ordered, evidence),
            "dead_missing": sum(died[token] != 1 for token in evidence.poison),
            "dead_unexpected": sum(letter.token not in evidence.poison or letter.attempts != evidence.attempts or letter.reason != "exhausted"
                                   for letter in evidence.dead)}


def misordered(events, effects):
    """Effects that come after one of a later event of their key."""
    n, highest = 0, defaultdict(int)
    for effect in effects:
        event = events[effect.token]
        place = (event.topic, event.key)
        n += event.seq < highest[place]
        highest[place] = max(highest[place], event.seq)
    return n


def broken_stretches(events, effects):
    """Effects that neither go on where the last one of their key was, nor go back to one that was there."""
    following, last, n = followers(events), {}, 0
    for effect in effects:
        event = events[effect.token]
        place = (event.topic, event.key)
        before = last.get(place, 0)
        n += event.seq > before and following[place].get(before) != event.seq
        last[place] = event.seq
    return n


def followers(events):
    """Of each key: which number comes after which; after 0, the first."""
    numbers = defaultdict(list)
    for event in events.values():
        if event.seq is not None:
            numbers[event.topic, event.key].append(event.seq)
    return defaultdict(dict, {place: dict(zip([0, *sorted(all_of_it)], sorted(all_of_it))) for place, all_of_it in numbers.items()})


def passed(events, effects, evidence):
    """Effects of events that did not wait behind one of their key which was being tried again, and was not yet dead."""
    waited = defaultdict(list)
    for letter in evidence.dead:
        if letter.token in events and letter.token in evidence.poison:
            event = events[letter.token]
            waited[event.topic, event.key].append((event.seq, letter.at))
    return sum(any(events[e.token].seq > seq and e.at < died_at for seq, died_at in waited[e.topic, e.key]) for e in effects)


CLEAN = ("unhandled", "repeated", "foreign", "altered", "misordered", "passed", "dead_missing", "dead_unexpected")


def is_clean(found):
    return not any(found[name] for name in CLEAN)


def without(things, i):
    return things[:i] + things[i + 1:]


def swapped(evidence):
    """Two effects of one key change their places; None where no key has two."""
    counts = Counter(effect.token for effect in evidence.effects)
    places = {event.token: (event.topic, event.key) for event in evidence.events
              if event.seq is not None and event.token not in evidence.poison and counts[event.token] == 1}
    last = {}
    for i, effect in enumerate(evidence.effects):
        if effect.token not in places:
            continue
        place = places[effect.token]
        if place in last:
            effects = list(evidence.effects)
            effects[last[place]], effects[i] = effects[i], effects[last[place]]
            return replace(evidence, effects=tuple(effects))
        last[place] = i
    return None


def hurried(evidence):
    """An event that waited behind poison is handled before that was dead; None where there is none."""
    events = {event.token: event for event in evidence.events}
    for letter in evidence.dead:
        for i, effect in enumerate(evidence.effects):
            event, poison = events.get(effect.token), events.get(letter.token)
            if event and poison and event.seq and effect.token not in evidence.poison and letter.token in evidence.poison and \
                    (event.topic, event.key) == (poison.topic, poison.key) and event.seq > poison.seq:
                return replace(evidence, effects=(*evidence.effects[:i], replace(effect, at=letter.at - 0.001), *evidence.effects[i + 1:]))
    return None


def forgeries(evidence, dice=None):
    """The evidence with one fault each, by name."""
    dice = dice or random.Random(1)
    effects, dead = evidence.effects, evidence.dead
    counts = Counter(effect.token for effect in effects)
    i = dice.choice([i for i, effect in enumerate(effects) if counts[effect.token] == 1])
    stranger = DeadLetter(effects[i].token, evidence.attempts, "exhausted", effects[i].at)
    forged = {"an effect is missing": replace(evidence, effects=without(effects, i)),
              "an effect is there twice": replace(evidence, effects=(*effects, effects[i])) if evidence.repeats == "never" else None,
              "an effect of what never committed": replace(evidence, effects=(*effects, replace(effects[i], token=-1))),
              "an effect under another key": replace(evidence, effects=(*effects[:i], replace(effects[i], key="forged"), *effects[i + 1:])),
              "two effects of a key are swapped": swapped(evidence),
              "a dead letter that should not be": replace(evidence, dead=(*dead, stranger))}
    if dead:
        forged |= {"poison that did not die": replace(evidence, dead=without(dead, 0)),
                   "poison that died too early": replace(evidence, dead=(replace(dead[0], attempts=1), *dead[1:])),
                   "an event that did not wait behind poison": hurried(evidence)}
    return {name: forgery for name, forgery in forged.items() if forgery}


def judged(evidence):
    """The verdict, and how many forgeries of this very evidence it would have found."""
    found = verdict(evidence)
    forged = forgeries(evidence) if evidence.effects and is_clean(found) else {}
    return {**found, "forgeries": len(forged), "forgeries_caught": sum(not is_clean(verdict(forgery)) for forgery in forged.values())}
