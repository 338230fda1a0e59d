//! What is there to deploy with works: the files under `deploy/`, `docker-compose.yml` and `Dockerfile`.

mod role;
