-- Provers that listen, attached by operators at run time. Those of the settings file are not here.
CREATE TABLE remote_provers (
    -- host:port
    address  TEXT    NOT NULL PRIMARY KEY,
    system   TEXT    NOT NULL,
    slots    INTEGER NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
