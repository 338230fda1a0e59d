-- Two roles and a database: the owner, which migrates, and the role of the nodes, which only serves. Once for each cluster, as
-- a superuser; may be run again, then it sets the passwords anew.
--
--   OWNER_PASSWORD=… APP_PASSWORD=… psql -v database=rowcast -f deploy/postgres/roles.sql
--   DATABASE_URL=postgres://rowcast_owner:…@host/rowcast REDIS_URL=… rowcast migrate
--   psql postgres://rowcast_owner:…@host/rowcast -f deploy/postgres/grants.sql
--
-- The last two after each new version. There are no default passwords: without one the statement that needs it fails.
-- A developer's machine does with init.sql: one role that may do both.

\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['rowcast_owner', 'rowcast_app']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE rowcast_owner PASSWORD :'owner_password';
ALTER ROLE rowcast_app PASSWORD :'app_password';

-- template0 takes any encoding, whatever the cluster was made with.
SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING ''UTF8''', :'database')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec
ALTER DATABASE :"database" OWNER TO rowcast_owner;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO rowcast_app;

\connect :"database"
-- PostgreSQL 14 still lets anyone create tables here.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO rowcast_owner;
