//! The book's tables in SQLite, as migrations that are only ever added to.

/// Each brings the schema from the version of its place to the next.
pub(super) const MIGRATIONS: &[&str] = &[FIRST, SECOND];

/// Where credits come from: its balance is minus all credits.
pub(super) const CREDITS: u64 = 1;
/// Where payments go.
pub(super) const REVENUE: u64 = 2;
/// Where limits come from.
pub(super) const LIMITS: u64 = 3;
/// Where what was spent of a limit goes.
pub(super) const LIMITS_USED: u64 = 4;

const FIRST: &str = "
CREATE TABLE account (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL CHECK (kind IN ('system', 'organization', 'limit')),
    currency   TEXT NOT NULL CHECK (length(currency) = 3),
    available  INTEGER NOT NULL DEFAULT 0 CHECK (kind = 'system' OR available >= 0),
    last_entry INTEGER NOT NULL DEFAULT 0 CHECK (last_entry >= 0)
) STRICT;

INSERT INTO account (id, name, kind, currency) VALUES
    (1, '.credits', 'system', 'XXX'),
    (2, '.revenue', 'system', 'XXX'),
    (3, '.limits', 'system', 'XXX'),
    (4, '.limits-used', 'system', 'XXX');

CREATE TABLE transfer (
    id        INTEGER PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    debit     INTEGER NOT NULL REFERENCES account (id),
    credit    INTEGER NOT NULL REFERENCES account (id) CHECK (credit <> debit),
    amount    INTEGER NOT NULL CHECK (amount > 0),
    at        INTEGER NOT NULL
) STRICT;
CREATE INDEX transfer_credit ON transfer (credit);

CREATE TABLE applied (
    replica TEXT PRIMARY KEY,
    epoch   INTEGER NOT NULL CHECK (epoch > 0),
    begun   INTEGER NOT NULL CHECK (begun >= 0 AND begun <= epoch),
    fenced  INTEGER NOT NULL DEFAULT 0 CHECK (fenced >= 0 AND fenced <= epoch),
    seq     INTEGER NOT NULL CHECK (seq >= 0),
    seen_at INTEGER NOT NULL
) STRICT;

CREATE TABLE lease (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    account  INTEGER NOT NULL REFERENCES account (id),
    replica  TEXT NOT NULL REFERENCES applied (replica),
    epoch    INTEGER NOT NULL CHECK (epoch > 0),
    granted  INTEGER NOT NULL CHECK (granted >= 0),
    consumed INTEGER NOT NULL DEFAULT 0 CHECK (consumed >= 0 AND consumed <= granted),
    state    TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed', 'written-off')),
    CHECK (state = 'open' OR granted = consumed),
    UNIQUE (replica, epoch, account)
) STRICT;
CREATE INDEX lease_open ON lease (account) WHERE state = 'open';

CREATE TABLE entry (
    request_id    BLOB NOT NULL CHECK (length(request_id) = 16),
    kind          TEXT NOT NULL CHECK (kind = 'usage'),
    account       INTEGER NOT NULL REFERENCES account (id),
    number        INTEGER NOT NULL CHECK (number > 0),
    lease         INTEGER NOT NULL REFERENCES lease (id),
    key           INTEGER NOT NULL,
    amount        INTEGER NOT NULL CHECK (amount >= 0),
    loss          INTEGER NOT NULL CHECK (loss >= 0),
    input         INTEGER NOT NULL CHECK (input >= 0),
    cached_input  INTEGER NOT NULL CHECK (cached_input >= 0),
    cache_write   INTEGER NOT NULL CHECK (cache_write >= 0),
    output        INTEGER NOT NULL CHECK (output >= 0),
    reasoning     INTEGER NOT NULL CHECK (reasoning >= 0),
    source        TEXT NOT NULL
                  CHECK (source IN ('reported', 'counted', 'estimated', 'unresolved')),
    price_version INTEGER NOT NULL,
    price_line    INTEGER NOT NULL,
    channel       INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    replica       TEXT NOT NULL,
    seq           INTEGER NOT NULL,
    UNIQUE (request_id, kind),
    UNIQUE (account, number)
) STRICT;

CREATE TABLE write_off (
    id      INTEGER PRIMARY KEY,
    replica TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    lease   INTEGER NOT NULL REFERENCES lease (id),
    amount  INTEGER NOT NULL CHECK (amount >= 0),
    at      INTEGER NOT NULL
) STRICT;

CREATE TABLE key (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    digest     BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    account    INTEGER NOT NULL REFERENCES account (id),
    limit_1    INTEGER REFERENCES account (id),
    limit_2    INTEGER REFERENCES account (id),
    expires_at INTEGER,
    sealed     BLOB,
    revoked    INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1)),
    version    INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TABLE price (
    version   INTEGER PRIMARY KEY CHECK (version > 0),
    body      TEXT NOT NULL,
    signature TEXT NOT NULL
) STRICT;
";

const SECOND: &str = "
CREATE TABLE channel (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL UNIQUE,
    definition     TEXT NOT NULL,
    sealed         BLOB,
    digest         BLOB NOT NULL CHECK (length(digest) = 32),
    enabled        INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    reason         TEXT NOT NULL,
    attestation    TEXT CHECK (attestation IN ('in-cluster', 'commercial-contract', 'byok')),
    attested_by    TEXT NOT NULL,
    reference      TEXT NOT NULL,
    attested_until INTEGER,
    CHECK (enabled = 0 OR (attestation IS NOT NULL
        AND (attestation = 'byok' OR trim(attested_by) <> '')
        AND (attestation <> 'commercial-contract' OR trim(reference) <> '')))
) STRICT;

CREATE TABLE user (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    external_id     TEXT NOT NULL UNIQUE,
    email           TEXT NOT NULL,
    tenant          TEXT NOT NULL,
    tier            TEXT NOT NULL,
    metadata        TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    account         INTEGER NOT NULL REFERENCES account (id),
    key             INTEGER NOT NULL REFERENCES key (id),
    disabled        INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE key_profile (
    key   INTEGER PRIMARY KEY REFERENCES key (id),
    name  TEXT NOT NULL,
    rules TEXT NOT NULL
) STRICT;

CREATE TABLE note (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    place  TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL
) STRICT;
CREATE TRIGGER note_is_not_changed BEFORE UPDATE ON note
    BEGIN SELECT raise(ABORT, 'a note is never changed'); END;
CREATE TRIGGER note_is_not_removed BEFORE DELETE ON note
    BEGIN SELECT raise(ABORT, 'a note is never removed'); END;
";
