-- Jobs of purification. Of a job's token only SHA-256 is kept; what is sealed opens with a key derived from the token itself. It holds the
-- tiles while a job is queued, the result while it is done, and nothing in every other state.
CREATE TABLE purification (
    id           BYTEA    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    token_hash   BYTEA    NOT NULL,
    site         BYTEA    NOT NULL CHECK (length(site) = 16),
    state        TEXT    NOT NULL,
    tiles        BIGINT NOT NULL,
    failure      TEXT,
    deadline     BIGINT NOT NULL,
    sealed       BYTEA
);

CREATE INDEX purification_by_site ON purification (site);
CREATE INDEX purification_by_deadline ON purification (deadline);
