// `node tanstack.mjs URL MODE PROMPT`: asks as pages with the package `@tanstack/ai-client` do, which
// comes back by itself. Prints what came of it as JSON.
import { ChatClient, fetchServerSentEvents } from "@tanstack/ai-client";

const [url, mode, prompt] = process.argv.slice(2);
const run = { threadId: "a thread", runId: "a run/with any name?" };
let requests = 0;
const connection = fetchServerSentEvents(`${url}/api/chat`, {
  reconnect: { delayMs: 1 },
  fetchClient: (...request) => {
    requests += 1;
    return fetch(...request);
  },
});

/** With `useChat`: the texts that the user sees. */
async function chat() {
  const errors = [];
  const client = new ChatClient({ connection, onError: (error) => errors.push(error.message) });
  await client.sendMessage(prompt);
  const textOf = (message) => message.parts.map((part) => part.content ?? "").join("");
  return { texts: client.getMessages().map(textOf), errors };
}

async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { chunks };
}

const modes = {
  chat,
  connect: () => all(connection.connect([{ role: "user", content: prompt }], {}, undefined, run)),
  join: () => all(connection.joinRun(run.runId)),
};
console.log(JSON.stringify({ ...(await modes[mode]()), requests }));
