-- The key under which addresses of clients are hashed. It is made at the first start and never leaves this file.
CREATE TABLE secret (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    client_key BLOB NOT NULL CHECK (length(client_key) = 32)
) STRICT;

-- Answers given to a client by a model in the window that began at window_start (seconds since 1970).
CREATE TABLE budget (
    client       BLOB    NOT NULL CHECK (length(client) = 16),
    model        TEXT    NOT NULL,
    window_start INTEGER NOT NULL,
    used         INTEGER NOT NULL,
    PRIMARY KEY (client, model)
) STRICT, WITHOUT ROWID;

CREATE INDEX budget_by_age ON budget (window_start);
