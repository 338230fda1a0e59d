//! Rowcast broadcasts the changes of a Postgres table to every subscriber of a stream: once, in order, on any node.
//!
//! Messages are rows of the table `messages`. Whoever writes them (`POST /message`, psql, another service), triggers
//! log the change in the writer's own transaction, one node of the cluster gives it a position, and every node hands it
//! to its subscribers as a server-sent event. Postgres is the truth. Redis is the fast road, and may lose anything. A
//! node holds nothing that matters.
//!
//! A reply may be followed while it is still being written. Until it is a message its text is in Redis alone, and with
//! whoever writes it: what Redis loses of it can be brought again, but if Redis loses all, the reply has failed, and
//! whoever follows it is told.
//!
//! # The route of a change
//!
//! A trigger (`migrations/0002_feed.sql`) appends to `feed.log`, and rings if the relay sleeps →
//! [`relay`] (its ticker) cuts a tick: positions are durable now ([`store`]) →
//! [`relay`] (its publisher) carries the changes to [`redis`] →
//! [`intake`] takes them on every node, and fills holes from the log →
//! [`hub`] keeps them as ready [`frame`]s and wakes whom they concern →
//! [`api`] offers each subscription as the answer to `GET /stream` →
//! [`edge`] writes it: by threads of its own, straight to the sockets, or as the body of an answer (HTTP/2, TLS).
//!
//! # The route of a canary
//!
//! Every second the leader gives a sign of life ([`store`]). Its instant goes with the head from ticker to publisher
//! ([`relay`]), behind the changes in a heartbeat over [`redis`], and to the [`intake`] of every node. It is no change:
//! it has no position, and nobody sees it. [`health`] judges by it whether changes come through, and at which stage
//! they do not.
//!
//! # The route of a request
//!
//! [`edge`] accepts the connection if there is a place, reads whose it is where a proxy says so, shakes hands where
//! there is TLS, and hands each request to poem's endpoint →
//! [`api`] begins with its front: an id, a line in the log, a metric and a trace ([`telemetry`]); on its way out every
//! answer is compressed, says which origins may read it, and what browsers must not do with it →
//! `Caller`, which every operation on messages, streams and sessions takes, is made in [`api`]: where the request comes
//! from, as far as trusted proxies tell; whose token it has ([`auth`]); whether there is anything left of that caller's
//! budget ([`limit`], counted in [`redis`]) →
//! the operation in [`api`] reads the body, judges the rights, and asks the [`store`], [`idempotency`], the [`hub`],
//! [`session`] or [`chat`].
//! Whatever goes wrong on the way becomes a problem document, in one place.
//!
//! # The route of a subscriber
//!
//! `GET /stream` with a `Last-Event-ID`, let in like any request → [`api`] reads the position, and what may be read →
//! [`hub`] attaches a cursor → behind the ring the cursor reads pages of the log (through [`change::History`]), in the
//! ring it takes what is there, at the head it waits. It is one loop; a client that comes back and a client that is
//! slow are the same, but that who comes back goes at a pace until it is at the head. It ends with the token that
//! opened it.
//!
//! # The route of a reply that is still being written
//!
//! Its producer opens a session, or [`chat`] does and asks a model → chunks come to [`api`], on any node →
//! [`session`] hands them to [`redis`], where one script puts them in order, and rings the session's bell →
//! on each node where somebody reads it, [`session`] reads on in its log, once for all readers →
//! [`edge`] writes it, as it does streams of the feed. When the last chunk is there, [`session`] writes the text as one
//! message ([`store`]), and that takes the route of a change. Nothing of the feed knows sessions, but for the number in
//! the row.
//!
//! # The route of who is there
//!
//! A stream that wants to be seen enters its rooms, and one that asks watches them ([`presence`]) → soon, and again and
//! again as long as it is open, the node tells [`redis`], where one script counts each user's connections, and rings the
//! room's bell when the first has come or the last has gone, or has not been heard of for too long → on each node where
//! somebody watches, [`presence`] reads who is there, and tells the difference.
//!
//! # The route of a socket
//!
//! A client of Socket.IO opens a session at `/socket.io/`, by polling or over a websocket, for which [`edge`] gives the
//! connection away and keeps its place → [`api`] works off what the client asks for, one after the other: what it posts
//! takes the road of a request → one task for all sockets takes the frames from the [`hub`], through a tap, and puts
//! them into the buffers of those in the room; [`presence`] tells who else is there. Whose buffer is full loses its
//! transport, and comes back by itself.
//!
//! # The code, in reading order
//!
//! | module | what it is |
//! |---|---|
//! | [`message`], [`cursor`], [`timestamp`] | a row, a place among rows, an instant: as HTTP and SQL agree on them |
//! | [`change`], [`frame`] | a change of a row with its position; the same as the bytes of an event |
//! | [`reply`] | a text that is still being written: what Redis, the engine and HTTP agree on |
//! | [`network`], [`quota`] | whom an address is counted for; how many of something each may have |
//! | [`metrics`] | what the node counts, and how old changes are at each stage of their way |
//! | [`telemetry`] | the log of the process, and its traces |
//! | [`auth`] | who calls: tokens, and the rights they give |
//! | [`store`] | all SQL: messages, written in groups; rooms, counted; the log, ticks, leadership, bells, retention |
//! | [`redis`] | all Redis: the bus, each change published once; sessions, who is where, their bells; how nodes are, what they count and remember |
//! | [`relay`] | the leader's work: from the log to positions, from positions to the bus |
//! | [`hub`] | ring, rooms, subscriptions: from a position to a subscriber |
//! | [`intake`] | keeps the hub at the head, from the bus or from the log |
//! | [`limit`] | how often each caller may ask, and how many streams it may have open |
//! | [`idempotency`] | a message that is posted again under its key is written once |
//! | [`session`] | replies that are still being written: who reads them, how they end, how they become messages |
//! | [`presence`] | who is in which room, all nodes together, and who is told so |
//! | [`cluster`] | which nodes there are, each with its figures |
//! | [`health`] | whether changes come through, stage by stage; how every part of the node is |
//! | [`chat`] | asks a model, of a service or the built-in one, and pours its answer into a session |
//! | [`api`] | the HTTP contract: resources, sockets, who may call, what every answer wears, problems, the OpenAPI document, the console |
//! | [`edge`] | how connections come in, and how streams are written |
//! | [`config`], `mistakes` | settings, and all that is wrong with them at once |
//! | [`app`], [`listen`] | builds the parts, runs them, stops them in order; where it listens |
//! | `failpoint` | where a test lets the process die |
//! | [`cli`] | the commands |
//! | [`dev`], [`demo`] | private servers to try it out; a file of messages to look at |
//! | `token`, `healthcheck` | a token for whoever has the key; whether a server is ready |
//!
//! # What never happens
//!
//! - Nothing of a row travels in a NOTIFY, and no writer rings while the relay is awake.
//! - A position is never given twice, never moved, never skipped: a hole is a loss, and is filled from the log.
//! - Nothing is published, or shown, before its position is durable.
//! - A subscriber has no queue. Its memory does not grow with its slowness.
//! - No chunk travels over a bell: what is lost there is a moment. A session becomes one message, or none.
//! - Nobody is told to have come twice without having gone, nor gone without having come, whatever is lost on the way.
//! - A token that is not accepted is never no token, and no stream outlives the token that opened it.
//! - A stream never pretends to be complete: what cannot be told is a `reset`.
//! - The words know no adapter, the adapters no engine, the engine no HTTP. The hub knows neither SQL nor Redis.

pub mod api;
pub mod app;
pub mod auth;
pub mod change;
pub mod chat;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod cursor;
pub mod demo;
pub mod dev;
pub mod edge;
mod failpoint;
pub mod frame;
pub mod health;
mod healthcheck;
pub mod hub;
pub mod idempotency;
pub mod intake;
pub mod limit;
pub mod listen;
pub mod message;
pub mod metrics;
mod mistakes;
pub mod network;
pub mod presence;
pub mod quota;
pub mod redis;
pub mod relay;
pub mod reply;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod timestamp;
mod token;
