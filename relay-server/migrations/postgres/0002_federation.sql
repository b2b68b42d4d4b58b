-- Times are seconds since 1970. Tokens and invitations are kept as SHA-256 only.

-- A consortium: its founding as JSON, and the end of its audit chain.
CREATE TABLE consortium (
    id           TEXT    NOT NULL PRIMARY KEY,
    founding     TEXT    NOT NULL,
    founded_at   BIGINT NOT NULL,
    audit_length BIGINT NOT NULL,
    audit_head   BYTEA    NOT NULL
);

-- A site or a viewer. Until its token was used once, the answer that held it may have been lost.
CREATE TABLE participant (
    token_hash   BYTEA    NOT NULL PRIMARY KEY,
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    role         TEXT    NOT NULL,
    site         BIGINT,
    name         TEXT    NOT NULL,
    identity     BYTEA,
    invitation   BYTEA    NOT NULL UNIQUE,
    enrolled_at  BIGINT NOT NULL,
    token_used   BIGINT NOT NULL,
    UNIQUE (consortium, site),
    UNIQUE (consortium, identity)
);

CREATE TABLE invitation (
    hash         BYTEA    NOT NULL PRIMARY KEY,
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    role         TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT
);

-- The revision grows with each change, so that a step computed from an older one is not taken.
CREATE TABLE round (
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    number       BIGINT NOT NULL,
    settings     TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    deadline     BIGINT NOT NULL,
    revision     BIGINT NOT NULL,
    set_digest   BYTEA,
    failure      TEXT,
    published    BIGINT,
    PRIMARY KEY (consortium, number)
);

CREATE INDEX round_by_state ON round (state);

-- What sites sent and what the relay made of it; site is -1 for what belongs to the whole round.
CREATE TABLE message (
    consortium   TEXT    NOT NULL,
    round        BIGINT NOT NULL,
    kind         TEXT    NOT NULL,
    site         BIGINT NOT NULL,
    digest       BYTEA    NOT NULL,
    length       BIGINT NOT NULL,
    stored_at    BIGINT NOT NULL,
    PRIMARY KEY (consortium, round, kind, site),
    FOREIGN KEY (consortium, round) REFERENCES round (consortium, number)
);

-- The bytes of a message, in parts that fit in memory.
CREATE TABLE message_part (
    consortium   TEXT    NOT NULL,
    round        BIGINT NOT NULL,
    kind         TEXT    NOT NULL,
    site         BIGINT NOT NULL,
    part         BIGINT NOT NULL,
    bytes        BYTEA    NOT NULL,
    PRIMARY KEY (consortium, round, kind, site, part),
    FOREIGN KEY (consortium, round, kind, site) REFERENCES message (consortium, round, kind, site)
);

-- The audit log; an entry is a line of JSON that holds the hash of the line before.
CREATE TABLE audit_entry (
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    sequence     BIGINT NOT NULL,
    entry        TEXT    NOT NULL,
    PRIMARY KEY (consortium, sequence)
);

-- Heads that rounds made; version 0 is the head that the model pack ships.
CREATE TABLE head_version (
    model        TEXT    NOT NULL,
    version      BIGINT NOT NULL,
    consortium   TEXT    NOT NULL REFERENCES consortium (id),
    round        BIGINT NOT NULL,
    made_at      BIGINT NOT NULL,
    card         TEXT    NOT NULL,
    head         BYTEA    NOT NULL,
    PRIMARY KEY (model, version)
);

CREATE TABLE active_head (
    model        TEXT    NOT NULL PRIMARY KEY,
    version      BIGINT NOT NULL
);
