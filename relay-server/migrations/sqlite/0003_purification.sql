-- Jobs of purification. Of a job's token only SHA-256 is kept; what is sealed opens with a key derived from the token itself. It holds the
-- tiles while a job is queued, the result while it is done, and nothing in every other state.
CREATE TABLE purification (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    token_hash   BLOB    NOT NULL,
    site         BLOB    NOT NULL CHECK (length(site) = 16),
    state        TEXT    NOT NULL,
    tiles        INTEGER NOT NULL,
    failure      TEXT,
    deadline     INTEGER NOT NULL,
    sealed       BLOB
) STRICT;

CREATE INDEX purification_by_site ON purification (site);
CREATE INDEX purification_by_deadline ON purification (deadline);
