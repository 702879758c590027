// `node ai.mjs URL MODE PROMPT`: asks as pages with the package `ai` do, and comes back whenever the
// connection breaks. Prints what came of it as JSON.
import { AbstractChat, DefaultChatTransport } from "ai";
import { continuing } from "./continuing.mjs";

const [url, mode, prompt] = process.argv.slice(2);
let requests = 0;
let last;

// What the package's own hooks for React and others add: where the state is kept.
class Chat extends AbstractChat {
  constructor(transport) {
    const messages = [];
    const state = {
      status: "ready",
      error: undefined,
      messages,
      pushMessage: (message) => messages.push(message),
      popMessage: () => messages.pop(),
      replaceMessage: (index, message) => (messages[index] = structuredClone(message)),
      snapshot: structuredClone,
    };
    super({ transport, state });
  }
}

// Node.js says "terminated" where browsers say "network error", by which `useChat` knows a connection
// that broke.
const { fetch: nodeFetch } = globalThis;
globalThis.fetch = async (...request) => {
  const response = await nodeFetch(...request);
  if (!response.body) return response;
  const reader = response.body.getReader();
  const body = new ReadableStream(
    {
      async pull(controller) {
        const read = reader.read().catch((cause) => {
          throw new TypeError("network error", { cause });
        });
        const { done, value } = await read;
        return done ? controller.close() : controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, response);
};

function transport() {
  const inner = mode === "replay" ? fetch : continuing();
  return new DefaultChatTransport({
    api: `${url}/api/chat`,
    resumeStreamIsReplay: mode === "replay",
    fetch: async (...request) => {
      requests += 1;
      const response = await inner(...request);
      last = response.status;
      return response;
    },
  });
}

function textOf(message) {
  return message.parts.map((part) => part.text ?? "").join("");
}

/** With `useChat`: the text that the user sees. */
async function chat() {
  const chat = new Chat(transport());
  await chat.sendMessage({ text: prompt });
  while (chat.status === "error") await chat.resumeStream();
  const texts = chat.messages.map(textOf);
  await chat.resumeStream();
  const answer = chat.messages.at(-1);
  return { texts, again: textOf(answer), states: answer.parts.map((part) => part.state) };
}

/** With the transport alone: each chunk, until there is nothing more. */
async function chunks() {
  const chatId = "a chat/with any name?";
  const chunks = [];
  const read = async (stream) => {
    try {
      for await (const chunk of stream) chunks.push(chunk);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  };
  const parts = [{ type: "text", text: prompt }];
  const messages = [{ id: "m", role: "user", parts }];
  const client = transport();
  await read(await client.sendMessages({ chatId, messages, trigger: "submit-message" }));
  for (let stream; (stream = await client.reconnectToStream({ chatId })) !== null; ) await read(stream);
  return { chunks };
}

const result = mode === "chunks" ? await chunks() : await chat();
console.log(JSON.stringify({ ...result, requests, last }));
