-- The role and the database that Rowcast works with. Its tables are not made here: the server migrates them itself.
--
-- For psql, as a superuser; may be run again:
--   psql -v password=secret -f init.sql
-- The PostgreSQL image runs it on the first start, where the password comes from ROWCAST_PASSWORD. Without either it is
-- "rowcast", which is fit for a developer's machine only.

\if :{?password}
\else
    \set password rowcast
    \getenv password ROWCAST_PASSWORD
\endif

SELECT format('CREATE ROLE rowcast LOGIN PASSWORD %L', :'password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rowcast')
\gexec

-- CREATE DATABASE has no IF NOT EXISTS. template0 takes any encoding, whatever the cluster was made with.
SELECT 'CREATE DATABASE rowcast OWNER rowcast TEMPLATE template0 ENCODING ''UTF8'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'rowcast')
\gexec
