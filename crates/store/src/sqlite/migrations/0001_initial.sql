-- The first schema.
--
-- Ids and tokens are 16-byte blobs; times are milliseconds since the Unix epoch; u64 values are stored as the i64 with the
-- same bits; states are the codes of hierophant_domain. Rows that grow and are written often stand in WITHOUT ROWID tables,
-- so that each costs one b-tree. Partial indices hold open rows only: their size follows the work in hand, not its history.

-- Secrets of this installation.
CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row, written to find out whether the database can be written.
CREATE TABLE pings (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;

-- Task classes, numbered: a class's key is long, and stands in every task and index entry.
CREATE TABLE classes (
    id  INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE
) STRICT;

-- What changes of a request. Its row is small, because every change writes it again.
CREATE TABLE requests (
    id               BLOB    NOT NULL PRIMARY KEY,
    -- SHA-256 of (door, principal, idempotency key), its first 16 bytes.
    idempotency      BLOB    NOT NULL,
    -- SHA-256 of (door, principal), its first 16 bytes.
    requester        BLOB    NOT NULL,
    system           TEXT    NOT NULL,
    state            INTEGER NOT NULL,
    -- 0 not wanted, 1 executed, 2 unchecked, 3 pending, 4 disputed: from 3 on it is still to be done.
    execution        INTEGER NOT NULL,
    execution_detail TEXT,
    accepted_at      INTEGER NOT NULL,
    deadline         INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    ended_at         INTEGER,
    -- Outcome or failure, by state.
    ending           TEXT,
    -- Set at the end, while it still refers to artifacts.
    holds            INTEGER NOT NULL DEFAULT 0,
    -- The claim on its trusted execution.
    check_token      BLOB,
    check_until      INTEGER NOT NULL DEFAULT 0,
    check_tries      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX requests_by_idempotency ON requests (idempotency);
CREATE INDEX requests_by_requester ON requests (requester, id);
-- Also what is read when the store is opened, hence the requester.
CREATE INDEX requests_open ON requests (deadline, requester) WHERE state = 0;
CREATE INDEX requests_to_execute ON requests (system, check_until) WHERE state = 0 AND execution >= 3;
CREATE INDEX requests_holding ON requests (ended_at) WHERE holds = 1;

-- What never changes of a request.
CREATE TABLE request_terms (
    id               BLOB NOT NULL PRIMARY KEY,
    door             TEXT NOT NULL,
    principal        BLOB NOT NULL,
    idempotency_key  BLOB NOT NULL,
    system           TEXT NOT NULL,
    kind             TEXT NOT NULL,
    toolchain        TEXT NOT NULL,
    program_id       BLOB,
    program_artifact BLOB,
    door_data        BLOB NOT NULL,
    -- Inputs, limits and the rest, as JSON.
    details          TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    request     BLOB    NOT NULL,
    id          BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    class       INTEGER NOT NULL,
    rank        INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    waits_for   INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    -- JSON; NULL while there are none.
    failures    TEXT,
    -- The claim on the verification of its result. From check_until on it may be claimed; at the end of time while the
    -- trusted execution is still to come.
    check_token BLOB,
    check_until INTEGER NOT NULL DEFAULT 0,
    check_tries INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (request, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX tasks_ready ON tasks (class, rank) WHERE state = 1;
CREATE INDEX tasks_delivered ON tasks (class, check_until) WHERE state = 3;

CREATE TABLE attempts (
    request     BLOB    NOT NULL,
    task        BLOB    NOT NULL,
    id          BLOB    NOT NULL,
    worker      BLOB    NOT NULL,
    token       BLOB    NOT NULL,
    state       INTEGER NOT NULL,
    leased_at   INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    ended_at    INTEGER,
    delivery    TEXT,
    reason      TEXT,
    PRIMARY KEY (request, task, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX attempts_by_token ON attempts (token);
-- Live leases: of one worker, and of each worker those that ran out.
CREATE INDEX attempts_live ON attempts (worker, lease_until) WHERE state <= 1;
CREATE INDEX attempts_reserved ON attempts (leased_at) WHERE state = 0;

CREATE TABLE workers (
    id                BLOB    NOT NULL PRIMARY KEY,
    name              TEXT    NOT NULL,
    address           TEXT    NOT NULL,
    profile           TEXT    NOT NULL,
    -- 0 here, 1 cut, 2 gone.
    presence          INTEGER NOT NULL,
    strikes           INTEGER NOT NULL DEFAULT 0,
    quarantined_until INTEGER,
    strike_reasons    TEXT    NOT NULL DEFAULT '[]',
    first_seen        INTEGER NOT NULL,
    connected_at      INTEGER NOT NULL,
    last_seen         INTEGER NOT NULL,
    gone_reason       TEXT,
    proofs            INTEGER NOT NULL DEFAULT 0,
    proving_ms        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX workers_by_last_seen ON workers (presence, last_seen);

-- Who proved what, with the worker as it was then.
CREATE TABLE history (
    ended_at       INTEGER NOT NULL,
    request        BLOB    NOT NULL,
    worker         BLOB    NOT NULL,
    worker_name    TEXT    NOT NULL,
    worker_address TEXT    NOT NULL,
    leased_at      INTEGER NOT NULL,
    delivered_at   INTEGER NOT NULL,
    PRIMARY KEY (ended_at, request)
) STRICT, WITHOUT ROWID;

CREATE TABLE programs (
    -- The door of its owner, too.
    door       TEXT    NOT NULL,
    id         BLOB    NOT NULL,
    principal  BLOB    NOT NULL,
    vk         BLOB    NOT NULL,
    artifact   BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (door, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    system     TEXT NOT NULL,
    toolchain  TEXT NOT NULL,
    executable BLOB NOT NULL,
    program_id BLOB NOT NULL,
    vk         BLOB NOT NULL,
    PRIMARY KEY (system, toolchain, executable)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    id              BLOB    NOT NULL PRIMARY KEY,
    owner_door      TEXT,
    owner_principal BLOB,
    role            TEXT    NOT NULL,
    -- 0 signed, 1 private.
    visibility      INTEGER NOT NULL,
    rebuildable     INTEGER NOT NULL,
    sealing_key     TEXT,
    -- 0 announced, 1 complete, 2 going.
    state           INTEGER NOT NULL,
    size            INTEGER NOT NULL,
    sha256          BLOB,
    created_at      INTEGER NOT NULL,
    -- Whether the collector has to look at it: 0 no, 1 once it is old, 2 at once, 3 it is going. 1 and 2 mean only that it may
    -- be unreferenced: taking a reference does not write here, and the collector finds out.
    loose           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX artifacts_loose ON artifacts (loose, created_at) WHERE loose > 0;

-- Who needs an artifact: a request by its id, a program by the first 16 bytes of SHA-256 of (door, id).
CREATE TABLE artifact_refs (
    artifact BLOB NOT NULL,
    holder   BLOB NOT NULL,
    PRIMARY KEY (artifact, holder)
) STRICT, WITHOUT ROWID;
