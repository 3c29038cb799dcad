-- The peers' two tables. Several processes may run this at once, and CREATE TABLE IF NOT EXISTS alone
-- can fail then; sent as one query it is one transaction, and the lock lasts until its end.
SELECT pg_advisory_xact_lock(8099114101);
CREATE TABLE IF NOT EXISTS peer_click (
    source text NOT NULL,
    event_id text NOT NULL,
    domain text NOT NULL,
    code text NOT NULL,
    time timestamptz NOT NULL,
    ip text,
    user_agent text,
    referrer text,
    PRIMARY KEY (source, event_id)
);
CREATE TABLE IF NOT EXISTS peer_daily (
    domain text NOT NULL,
    day date NOT NULL,
    code text NOT NULL,
    clicks bigint NOT NULL,
    PRIMARY KEY (domain, day, code)
);
