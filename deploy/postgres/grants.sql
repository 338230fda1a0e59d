-- What a serving node needs, and nothing else. As the owner, in Rowcast's database, after each `rowcast migrate`; may be run
-- again.
--
-- All nodes must have the same role: one that takes the lead from a leader that has stalled ends that one's session, and
-- PostgreSQL shows and ends only sessions of one's own role. LISTEN, NOTIFY and advisory locks need no right.

\set ON_ERROR_STOP on
BEGIN;

-- So that a start finds that nothing is to be migrated.
GRANT SELECT ON _sqlx_migrations TO rowcast_app;

-- What HTTP reads and writes. Ids of posts are taken from the sequence (UPDATE), and where others have written ids of their
-- own choice it is moved past them (SELECT, UPDATE).
GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO rowcast_app;
GRANT SELECT, UPDATE ON SEQUENCE messages_id_seq TO rowcast_app;

-- What the relay does. It does not write changes into the log: the triggers do, with the owner's rights. It reads and trims
-- them, and empties the log where a restored database gives its transaction ids another meaning.
GRANT USAGE ON SCHEMA feed TO rowcast_app;
GRANT SELECT, DELETE, TRUNCATE ON feed.log TO rowcast_app;
GRANT SELECT, INSERT, DELETE ON feed.tick TO rowcast_app;
GRANT SELECT, INSERT ON feed.generation TO rowcast_app;
GRANT SELECT, UPDATE ON feed.state TO rowcast_app;
GRANT UPDATE ON SEQUENCE feed.awake TO rowcast_app;

-- The counts of rooms, which the relay keeps.
GRANT SELECT, INSERT, UPDATE, DELETE ON feed.room TO rowcast_app;
GRANT SELECT, UPDATE ON feed.counted TO rowcast_app;

COMMIT;
