"""What publishing costs the application's transaction, beside the same row in a table of its own."""
from report import row

VALUE = ('{"order": 815, "customer": 4711, "state": "packed", "note": "' + "of twelve parts, two to follow; " * 5)[:198] + '"}'
COLUMNS = """id bigint NOT NULL GENERATED ALWAYS AS IDENTITY{key}, created_at timestamptz NOT NULL DEFAULT clock_timestamp(), event_id uuid,
    topic text, type text, key bytea, value bytea, headers jsonb"""
TABLES = f"""
DROP TABLE IF EXISTS bench.plain, bench.simple, bench.account;
CREATE TABLE bench.plain (xid xid8 NOT NULL DEFAULT pg_current_xact_id(), {COLUMNS.format(key='')});
CREATE INDEX ON bench.plain (id);
CREATE INDEX ON bench.plain (xid, id);
CREATE TABLE bench.simple ({COLUMNS.format(key=' PRIMARY KEY')});
CREATE TABLE bench.account (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO bench.account SELECT i, 0 FROM generate_series(1, 10000) i;
ANALYZE bench.account;
"""
INSERT = "INSERT INTO TABLE_NAME (topic, key, value) VALUES ('orders', convert_to('k' || :k, 'UTF8'), convert_to('" + VALUE + "', 'UTF8'));\n"
STATEMENTS = {
    "plain": INSERT.replace("TABLE_NAME", "bench.plain"),
    "simple": INSERT.replace("TABLE_NAME", "bench.simple"),
    "insert": INSERT.replace("TABLE_NAME", "postbus.outbox"),
    "publish": f"SELECT postbus.publish('orders', '{VALUE}', 'k' || :k);\n",
}


def script(statement, alone):
    if alone:
        return "\\set k random(1, 1000)\n" + STATEMENTS[statement]
    return ("\\set k random(1, 1000)\n\\set a random(1, 10000)\nBEGIN;\nUPDATE bench.account SET balance = balance + 1 WHERE id = :a;\n"
            + STATEMENTS[statement] + "COMMIT;\n")


def commits(stage, options, statement, clients, alone, relay):
    stage.sql("CHECKPOINT")
    rate = stage.pgbench(script(statement, alone), clients, "-T", str(options.seconds))
    if relay:
        relay.wait_drained()
    return rate


def compare(stage, options, clients, alone, relay):
    rates = {name: [] for name in STATEMENTS}
    for i in range(options.rounds):
        order = list(STATEMENTS)
        for name in order if i % 2 == 0 else reversed(order):
            rates[name].append(commits(stage, options, name, clients, alone, relay))
    kind = "insert alone" if alone else "update and event"
    state = "relay running" if relay else "no relay"
    goal = {"goal": 0.95} if relay else {}
    return [
        row(f"{kind}, {clients} clients, {state}: publish()", rates["publish"], rates["plain"], "commits/s", **goal),
        row(f"{kind}, {clients} clients, {state}: INSERT", rates["insert"], rates["plain"], "commits/s", **goal),
        row(f"{kind}, {clients} clients, {state}: INSERT / a table with only a primary key", rates["insert"], rates["simple"], "commits/s"),
    ]


def measure(stage, options):
    rows = []
    stage.empty()
    stage.sql(TABLES)
    stage.topic("orders")
    with stage.relay() as relay:
        for clients in (4, 32):
            for alone in (False, True):
                rows += compare(stage, options, clients, alone, relay)
    for clients in (4, 32):
        rows += compare(stage, options, clients, False, None)
    stage.empty()
    stage.sql("DROP TABLE bench.plain, bench.simple, bench.account")
    stage.drop_topic("orders")
    return rows
