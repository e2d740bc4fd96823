/* The doorbell: publishers that ring only while the relay sleeps, and a relay that no wake-up may pass by.
 *
 * Publishers try to share one lock when they publish; who gets it keeps it until its events are visible, who does not
 * rings (by a NOTIFY at commit). The relay arms the bell by taking the lock exclusively, reads once more, and sleeps until
 * it hears a ring. It has no safety poll here: a wake-up that gets lost leaves an event unread for ever, and "served"
 * fails. Neither side ever queues for the lock.
 *
 * Without a switch, and with DEATH (the relay's session may end once, anywhere), there is no error. Each other switch
 * builds in a mistake that one is tempted to make, and the model must fail:
 *   SNAPSHOT_BEFORE_LOCK   the armed read uses a snapshot older than the lock (one statement, or REPEATABLE READ)
 *   NO_ARMED_READ          no read between arming and sleeping
 *   POLL_BEFORE_DRAIN      sleeps on the socket though a ring came along with the answer of the armed read
 *   RELEASE_BEFORE_VISIBLE publishers give the lock back before their commit can be seen
 *   ARM_OVER_PUBLISHERS    the bell is a flag: the relay arms it without waiting for publishers under way
 *   ONE_RINGER             a second lock lets only one publisher at a time ring
 *   LISTEN_LATE            LISTEN only when about to sleep, after the armed read
 * FEWER leaves out one publisher of three, which makes the search much shorter: two suffice for every mistake.
 */
#define PUBLISHERS 3
#define RINGS_MAX 2 /* a third ring tells nothing that two did not */

bool visible[PUBLISHERS];
bool published[PUBLISHERS]; /* by the relay: outlives its session */
byte sharing = 0;
bool armed = false;
bool ringer_lock = false;
bool listening = false;
byte on_socket = 0; /* rings sent to the relay and not read by its client library */
byte in_library = 0; /* rings read from the socket, not yet asked for */
bool died = false;

inline release()
{
    atomic {
        if
        :: holds -> sharing--; holds = false
        :: else
        fi;
        if
        :: is_ringer -> ringer_lock = false; is_ringer = false
        :: else
        fi
    }
}

inline try_to_share()
{
    atomic {
        if
        :: !armed && !holds -> sharing++; holds = true
        :: !armed && holds
        :: armed && holds /* cannot be: checked below */
#ifdef ONE_RINGER
        :: armed && !holds && !ringer_lock -> ringer_lock = true; is_ringer = true; rings = true
        :: armed && !holds && ringer_lock
#else
        :: armed && !holds -> rings = true
#endif
        fi;
#ifndef ARM_OVER_PUBLISHERS
        assert(!(armed && sharing > 0))
#endif
    }
}

proctype Publisher(byte me)
{
    bool holds = false, is_ringer = false, rings = false, went_back = false;

publish:
    try_to_share();
    if
    :: !went_back -> /* ROLLBACK TO SAVEPOINT: the publish, its lock and its ring are undone; another follows */
        went_back = true;
        release();
        rings = false;
        goto publish
    :: true -> /* COMMIT */
#ifdef RELEASE_BEFORE_VISIBLE
        release();
#endif
        visible[me] = true;
        release();
        atomic {
            if
            :: rings && listening && on_socket < RINGS_MAX -> on_socket++
            :: else
            fi
        }
    :: true -> /* ROLLBACK */
        release()
    fi
}

inline take_snapshot()
{
    d_step {
        snapshot[0] = visible[0];
        snapshot[1] = visible[1];
        snapshot[2] = visible[2]
    }
}

/* Reads what the snapshot shows and is new; the answer brings along the rings that were on the socket. */
inline read_and_publish()
{
    d_step {
        found = (snapshot[0] && !published[0]) || (snapshot[1] && !published[1]) || (snapshot[2] && !published[2]);
        published[0] = published[0] || snapshot[0];
        published[1] = published[1] || snapshot[1];
        published[2] = published[2] || snapshot[2];
        hear()
    }
}

inline hear()
{
    in_library = (in_library + on_socket > RINGS_MAX -> RINGS_MAX : in_library + on_socket);
    on_socket = 0
}

inline may_die()
{
#ifdef DEATH
    if
    :: !died -> goto death
    :: true
    fi
#else
    skip
#endif
}

proctype Relay()
{
    bool snapshot[PUBLISHERS];
    bool found;

connect:
    skip;
#ifndef LISTEN_LATE
    listening = true;
#endif
read:
    take_snapshot();
    read_and_publish();
    may_die();
    if
    :: found -> goto read
    :: else
    fi;
#ifdef SNAPSHOT_BEFORE_LOCK
    take_snapshot();
#endif
    atomic {
        if
#ifdef ARM_OVER_PUBLISHERS
        :: armed = true
#else
        :: sharing == 0 -> armed = true
        :: else -> hear(); goto read /* a publisher is under way: look again, never queue */
#endif
        fi;
        hear()
    }
    may_die();
#ifdef NO_ARMED_READ
    found = false;
#else
#ifndef SNAPSHOT_BEFORE_LOCK
    take_snapshot();
#endif
    read_and_publish();
#endif
    if
    :: found -> armed = false; goto read
    :: else
    fi;
#ifdef LISTEN_LATE
    listening = true;
#endif
    may_die();
#ifdef POLL_BEFORE_DRAIN
    on_socket > 0;
#else
    on_socket > 0 || in_library > 0;
#endif
    d_step {
        on_socket = 0;
        in_library = 0
    }
    may_die();
    armed = false;
    goto read;
#ifdef DEATH
death: /* The session's lock, its LISTEN and the rings on their way end with it. */
    skip;
    d_step {
        died = true;
        armed = false;
        listening = false;
        on_socket = 0;
        in_library = 0;
        found = false;
        snapshot[0] = false;
        snapshot[1] = false;
        snapshot[2] = false
    }
    goto connect;
#endif
}

init
{
    atomic {
        run Relay();
#ifndef FEWER
        run Publisher(2);
#endif
        run Publisher(0);
        run Publisher(1)
    }
}

#define ALL_PUBLISHED \
    ((!visible[0] || published[0]) && (!visible[1] || published[1]) && (!visible[2] || published[2]))

ltl served { [] <> ALL_PUBLISHED }
