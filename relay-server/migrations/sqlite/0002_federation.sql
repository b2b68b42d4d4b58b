-- Times are seconds since 1970. Tokens and invitations are kept as SHA-256 only.

-- A consortium: its founding as JSON, and the end of its audit chain.
CREATE TABLE consortium (
    id           TEXT    NOT NULL PRIMARY KEY,
    founding     TEXT    NOT NULL,
    founded_at   INTEGER NOT NULL,
    audit_length INTEGER NOT NULL,
    audit_head   BLOB    NOT NULL
) STRICT;

-- A site or a viewer. Until its token was used once, the answer that held it may have been lost.
CREATE TABLE participant (
    token_hash   BLOB    NOT NULL PRIMARY KEY,
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    role         TEXT    NOT NULL,
    site         INTEGER,
    name         TEXT    NOT NULL,
    identity     BLOB,
    invitation   BLOB    NOT NULL UNIQUE,
    enrolled_at  INTEGER NOT NULL,
    token_used   INTEGER NOT NULL,
    UNIQUE (consortium, site),
    UNIQUE (consortium, identity)
) STRICT;

CREATE TABLE invitation (
    hash         BLOB    NOT NULL PRIMARY KEY,
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    role         TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER
) STRICT;

-- The revision grows with each change, so that a step computed from an older one is not taken.
CREATE TABLE round (
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    number       INTEGER NOT NULL,
    settings     TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    deadline     INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    set_digest   BLOB,
    failure      TEXT,
    published    INTEGER,
    PRIMARY KEY (consortium, number)
) STRICT;

CREATE INDEX round_by_state ON round (state);

-- What sites sent and what the relay made of it; site is -1 for what belongs to the whole round.
CREATE TABLE message (
    consortium   TEXT    NOT NULL,
    round        INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    site         INTEGER NOT NULL,
    digest       BLOB    NOT NULL,
    length       INTEGER NOT NULL,
    stored_at    INTEGER NOT NULL,
    PRIMARY KEY (consortium, round, kind, site),
    FOREIGN KEY (consortium, round) REFERENCES round (consortium, number)
) STRICT;

-- The bytes of a message, in parts that fit in memory.
CREATE TABLE message_part (
    consortium   TEXT    NOT NULL,
    round        INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    site         INTEGER NOT NULL,
    part         INTEGER NOT NULL,
    bytes        BLOB    NOT NULL,
    PRIMARY KEY (consortium, round, kind, site, part),
    FOREIGN KEY (consortium, round, kind, site) REFERENCES message (consortium, round, kind, site)
) STRICT;

-- The audit log; an entry is a line of JSON that holds the hash of the line before.
CREATE TABLE audit_entry (
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    sequence     INTEGER NOT NULL,
    entry        TEXT    NOT NULL,
    PRIMARY KEY (consortium, sequence)
) STRICT;

-- Heads that rounds made; version 0 is the head that the model pack ships.
CREATE TABLE head_version (
    model        TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    round        INTEGER NOT NULL,
    made_at      INTEGER NOT NULL,
    card         TEXT    NOT NULL,
    head         BLOB    NOT NULL,
    PRIMARY KEY (model, version)
) STRICT;

CREATE TABLE active_head (
    model        TEXT    NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL
) STRICT;
