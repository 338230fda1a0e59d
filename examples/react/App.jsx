// A room to look at and to write in, for one who has no name yet. `?room=` and `?server=` say which.

import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

import { useRoom } from "./useRoom.js";

const asked = new URLSearchParams(location.search);
const server = asked.get("server") ?? "http://localhost:8000";
const room = asked.get("room") ?? "lobby";
const me = "0c544734-1888-5ee1-94a9-a8334a166413";

function Room() {
  const { messages, state, send, hasOlder, loadOlder } = useRoom(server, room);
  return (
    <main>
      <p role="status">{state}</p>
      {hasOlder && <button onClick={loadOlder}>Older</button>}
      <ol>
        {messages.map(({ id, content }) => (
          <li key={id} data-id={id}>{content}</li>
        ))}
      </ol>
      <Writer send={send} />
    </main>
  );
}

function Writer({ send }) {
  const [content, setContent] = useState("");
  const [problem, setProblem] = useState(null);

  async function submit(event) {
    event.preventDefault();
    try {
      await send({ content, sender_id: me });
      // Unless something else was typed meanwhile.
      setContent((now) => (now === content ? "" : now));
      setProblem(null);
    } catch (error) {
      setProblem(error.message);
    }
  }

  return (
    <form onSubmit={submit}>
      <input aria-label="Message" value={content} onChange={(event) => setContent(event.target.value)} required />
      <button>Send</button>
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}

function App() {
  const [open, setOpen] = useState(true);
  return (
    <>
      {open && <Room />}
      <button onClick={() => setOpen(!open)}>{open ? "Leave" : "Enter"}</button>
    </>
  );
}

createRoot(document.getElementById("root")).render(<StrictMode><App /></StrictMode>);
