# The server as a small image: one binary on a base without a shell, run by an ordinary user.

# The C library and nothing else. It has no versions: who must have the same image twice gives its digest, as
# --build-arg BASE=gcr.io/distroless/cc-debian12@sha256:…
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

# The compiler that Cargo.toml asks for. It has a C compiler too, which is all that the TLS library needs.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /rowcast
# The dependencies are a layer of their own, built with empty sources, and made anew only when they change. The test
# stays empty: cargo wants it to exist, but it is not built.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
    && echo 'fn main() {}' | tee src/main.rs > tests/it/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked
COPY migrations migrations
COPY src src
# Cargo goes by the time of a file, and the real ones may be older than the empty ones were.
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked

FROM ${BASE}
LABEL org.opencontainers.image.title="Rowcast" \
      org.opencontainers.image.description="A Postgres change-feed message broadcaster: rows in, server-sent events out" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /rowcast/target/release/rowcast /usr/local/bin/rowcast
# Its user is `nonroot`; by the number Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8000
# Whether it may take traffic; its own subcommand, since there is no shell and no curl. Kubernetes has probes instead.
HEALTHCHECK --interval=5s --timeout=6s --start-period=40s --retries=3 CMD ["rowcast", "healthcheck"]
ENTRYPOINT ["rowcast"]
CMD ["serve"]
