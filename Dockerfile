# The server as a small image: one binary on a base without a shell, run by an ordinary user.

FROM rust:1-slim-bookworm AS build
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

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /rowcast/target/release/rowcast /usr/local/bin/rowcast
EXPOSE 8000
ENTRYPOINT ["rowcast"]
CMD ["serve"]
