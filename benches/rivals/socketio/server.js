// A chat server as people write it with socket.io: rooms, and each message to the sockets in its room.
//
// It does as little as it can: it keeps nothing, asks for no token, counts nobody, and tells only who is connected.
// With REDIS_URL it has the Redis adapter, so that several of them are one server; without it each is alone.
// It prints where it listens. Settings: HOST, PORT (0 takes a free one), REDIS_URL, MAX_PAYLOAD in bytes.

import { createServer } from "node:http";

import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const { HOST = "127.0.0.1", PORT = "0", REDIS_URL, MAX_PAYLOAD = "1048576" } = process.env;

const server = createServer();
const io = new Server(server, { maxHttpBufferSize: Number(MAX_PAYLOAD), serveClient: false, adapter: adapter() });

// As its documentation advises: the request of the handshake is not kept with each socket.
io.engine.on("connection", (socket) => (socket.request = null));

let last = 0;

io.on("connection", (socket) => {
  socket.on("joinRoom", ({ roomId }, ack) => {
    socket.join(roomId);
    ack?.({ ok: true, roomId });
  });
  socket.on("leaveRoom", ({ roomId }, ack) => {
    socket.leave(roomId);
    ack?.({ ok: true, roomId });
  });
  socket.on("sendMessage", ({ roomId, userId, content }, ack) => {
    const message = { roomId, userId, content, timestamp: new Date().toISOString(), id: ++last };
    io.to(roomId).emit("receiveMessage", message);
    ack?.({ ok: true, ...message });
  });
});

server.listen(Number(PORT), HOST, () => console.log(`listening on http://${HOST}:${server.address().port}`));

process.on("SIGTERM", () => process.exit());

function adapter() {
  if (REDIS_URL === undefined) return undefined;
  const publisher = new Redis(REDIS_URL);
  return createAdapter(publisher, publisher.duplicate());
}
