-- The key under which addresses of clients are hashed. It is made at the first start and never leaves this database.
CREATE TABLE secret (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    client_key BYTEA NOT NULL CHECK (length(client_key) = 32)
);

-- Answers given to a client by a model in the window that began at window_start (seconds since 1970).
CREATE TABLE budget (
    client       BYTEA    NOT NULL CHECK (length(client) = 16),
    model        TEXT    NOT NULL,
    window_start BIGINT NOT NULL,
    used         BIGINT NOT NULL,
    PRIMARY KEY (client, model)
);

CREATE INDEX budget_by_age ON budget (window_start);
